import { readFile } from 'node:fs/promises';
import type { ChildProcess } from 'node:child_process';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createActivities } from '../../activities/index.js';
import { hostHelper } from '../../activities/hosts/helper.js';
import { createSshPool } from '../../activities/ssh/pool.js';
import { createSecretResolver } from '../../config/secrets.js';
import { operationWorkflowId } from '../../domain/ids.js';
import { type CutProxy, startCutProxy } from '../support/cut-proxy.js';
import { openStage, type Process, type Stage } from '../support/e2e.js';
import { refusalsOn, stateOf } from '../support/snapshot.js';
import { until } from '../support/until.js';

/** What changes hosts or nodes, in the order in which an operation comes to it. */
const APPLY = ['takeLease', 'prepareHost', 'placeNode', 'startNode', 'formCluster', 'recordIdentities', 'releaseLease'];
const CHANGE = ['setSettings', 'setUsers'];
const DESTROY = ['stopNode', 'removeNode', 'releaseHost'];

/** What needs no case here, and why. */
const EXEMPT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['surveyHost', 'observeCluster', 'judgeCluster', 'awaitHealthy', 'draftApplyPlan', 'draftDestroyPlan'].map(
      (name) => [name, 'only reads'],
    ),
  ),
  ...Object.fromEntries(['readLog', 'readJournal'].map((name) => [name, 'only reads'])),
  smokeTest: 'works on keys of its own with a random name: test/activities/redis/smoke.test.ts',
  applyProfile: 'in the same verb and lock as every other one of the helper; the lab has no profile to apply',
};

const temporalAddress = inject('temporalAddress');

let stage: Stage;
let client: Client;
let closeClient: () => Promise<void>;
const ghosts: { worker: Process; proxy: CutProxy; activity: string }[] = [];

beforeAll(async () => {
  stage = await openStage({ temporalAddress, name: `zombie-${process.pid}`, hosts: 3, nodesPerHost: 2 });
  const connection = await Connection.connect({ address: temporalAddress });
  client = new Client({ connection });
  closeClient = () => connection.close();
});
afterAll(async () => {
  await layToRest();
  await stage.close();
  await closeClient();
});

/** A worker that stops at the first call of this activity, right before its effect; `stopped` waits for that. */
async function ghostAt(activity: string): Promise<{ stopped(): Promise<void> }> {
  const proxy = await startCutProxy(temporalAddress);
  const worker = await stage
    .elsewhere({ TEMPORAL_ADDRESS: proxy.address })
    .startWorker({ when: 'stopped', activity, call: 1 });
  ghosts.push({ worker, proxy, activity });
  return {
    async stopped() {
      await until(`a worker stands before ${activity}`, () => isStopped(worker), 60_000);
      proxy.cut();
    },
  };
}

async function isStopped(worker: Process): Promise<boolean> {
  const stat = await readFile(`/proc/${worker.child.pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

/** All that were stopped go on; each has to be refused, in its log and on a host, and nothing may change. */
async function wakeAll(): Promise<void> {
  const before = await stateOf(stage);
  for (const { worker } of ghosts) worker.kill('SIGCONT');
  for (const { worker, activity } of ghosts) {
    await until(`${activity} is refused`, () => worker.output().includes('"failure":"Fenced"'), 30_000).catch(
      (error: unknown) => {
        throw new Error(worker.output().split('\n').slice(-15).join('\n'), { cause: error });
      },
    );
  }
  expect(await stateOf(stage)).toEqual(before);
  const refused = (await refusalsOn(stage)).map(({ step }) => step.split('/')[0]);
  const steps = ghosts.map(({ activity }) => STEP_OF[activity] ?? activity);
  expect(refused).toEqual(expect.arrayContaining(steps));
  await layToRest();
}

/** The step in the token where it has another name than the activity. */
const STEP_OF: Readonly<Record<string, string>> = { setSettings: 'changeSettings', setUsers: 'changeSettings' };

async function layToRest(): Promise<void> {
  for (const { worker } of ghosts) worker.kill('SIGKILL');
  await Promise.all(ghosts.map(({ worker }) => worker.exited));
  await Promise.all(ghosts.map(({ proxy }) => proxy.close()));
  ghosts.length = 0;
}

/** Runs one operation in which a worker stops before each of these; the next one takes over, the last one brings it to its end. */
async function throughAll(activities: readonly string[], operation: () => Promise<unknown>): Promise<void> {
  const [first = '', ...others] = activities;
  let ghost = await ghostAt(first);
  const running = operation();
  for (const activity of others) {
    await ghost.stopped();
    ghost = await ghostAt(activity);
  }
  await ghost.stopped();
  const heir = await stage.startWorker();
  await running;
  await wakeAll();
  heir.kill('SIGKILL');
  await heir.exited;
}

/** Runs an operation for each of these, which is terminated when its worker stands before it; the last one comes to its end. */
async function terminatedAt(activities: readonly string[], verb: readonly string[]): Promise<void> {
  for (const activity of activities) {
    const ghost = await ghostAt(activity);
    const cli = stage.begin(...verb);
    await ghost.stopped();
    await client.workflow.getHandle(operationWorkflowId(stage.spec.name)).terminate('a person in the UI');
    await ended(cli);
  }
}

async function ended(cli: ChildProcess): Promise<void> {
  cli.kill('SIGKILL');
  await until('the terminal is gone', () => cli.exitCode !== null || cli.signalCode !== null);
}

/** A spec that changes a setting and the rights of users. */
function changed(maxclients: number): Promise<string> {
  return stage.variant((document) => {
    document.setIn(['redis', 'maxclients'], maxclients);
    document.setIn(['users', 'app', 'keys'], `~${maxclients}:*`);
  });
}

async function applyWith(file: string): Promise<void> {
  const { exitCode, stderr } = await stage.run('apply', '-f', file, '--yes');
  expect(exitCode, stderr).toBe(0);
}

const destroying = () => ['destroy', '-f', stage.specFile, '--yes', '--confirm', stage.spec.name];

describe('the list of cases', () => {
  it('has every kind of step that changes something', async () => {
    const ssh = createSshPool({ agentSocket: undefined });
    const secrets = createSecretResolver({ env: {}, machine: 'here' });
    const kinds = Object.keys(createActivities({ ssh, secrets, helper: hostHelper() }));
    await ssh.close();
    const known = [...APPLY, ...CHANGE, ...DESTROY, ...Object.keys(EXEMPT)];
    expect(kinds.filter((kind) => !known.includes(kind))).toEqual([]);
  });
});

describe('a worker that was stopped before its effect and wakes after the end', () => {
  it(`of the same operation changes nothing: ${APPLY.join(', ')}`, async () => {
    await throughAll(APPLY, async () => applyWith(stage.specFile));
  });

  it(`of the same operation changes nothing: ${CHANGE.join(', ')}`, async () => {
    const file = await changed(500);
    await throughAll(CHANGE, async () => applyWith(file));
  });

  it(`of terminated operations changes nothing: ${CHANGE.join(', ')}`, async () => {
    const file = await changed(600);
    await terminatedAt([...CHANGE, 'releaseLease'], ['apply', '-f', file, '--yes']);
    const heir = await stage.startWorker();
    await applyWith(stage.specFile);
    await wakeAll();
    heir.kill('SIGKILL');
    await heir.exited;
  });

  it(`of the same operation changes nothing: ${DESTROY.join(', ')}`, async () => {
    await throughAll(DESTROY, async () => {
      const { exitCode, stderr } = await stage.run(...destroying());
      expect(exitCode, stderr).toBe(0);
    });
  });
});
