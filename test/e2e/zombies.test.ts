import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
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
  examinePorts: 'its listeners end by themselves and change nothing',
  ...Object.fromEntries(
    ['applyProfile', 'installEngine'].map((name) => [
      name,
      'this lab has no such step; its verbs of the helper are in test/activities/hosts/helper-lease.test.ts',
    ]),
  ),
};

const temporalAddress = inject('temporalAddress');

let stage: Stage;
let client: Client;
let closeClient: () => Promise<void>;
const heirs: Process[] = [];
const ghosts: { worker: Process; proxy: CutProxy; activity: string }[] = [];

beforeAll(async () => {
  stage = await openStage({ temporalAddress, name: `zombie-${process.pid}`, hosts: 3, nodesPerHost: 2 });
  const connection = await Connection.connect({ address: temporalAddress });
  client = new Client({ connection });
  closeClient = () => connection.close();
});
afterEach(layToRest);
afterAll(async () => {
  await stage.close();
  await closeClient();
});

/**
 * A worker that stops at the first call of this activity, right before its effect; `stopped` waits for that. Temporal's debug mode only keeps its watchdog
 * away, which counts the time of the stop against workflow code that ran at that moment and then brings the whole process down.
 */
async function ghostAt(activity: string): Promise<{ stopped(): Promise<void> }> {
  const proxy = await startCutProxy(temporalAddress);
  const worker = await stage
    .elsewhere({ TEMPORAL_ADDRESS: proxy.address, TEMPORAL_DEBUG: '1' })
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
}

/** The step in the token where it has another name than the activity. */
const STEP_OF: Readonly<Record<string, string>> = { setSettings: 'changeSettings', setUsers: 'changeSettings' };

async function layToRest(): Promise<void> {
  const workers = [...heirs, ...ghosts.map(({ worker }) => worker)];
  for (const worker of workers) worker.kill('SIGKILL');
  await Promise.all(workers.map(({ exited }) => exited));
  await Promise.all(ghosts.map(({ proxy }) => proxy.close()));
  heirs.length = 0;
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
  await startHeir();
  await running;
}

/** A worker that nothing is wrong with. */
async function startHeir(): Promise<void> {
  heirs.push(await stage.startWorker());
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

interface Row {
  readonly name: string;
  /** An operation for each: it is terminated where its worker was stopped. */
  readonly terminated: readonly string[];
  /** All in the one that follows and comes to its end. */
  readonly same: readonly string[];
  readonly verb: () => Promise<string[]>;
}

function row(verb: Row['verb'], terminated: readonly string[], same: readonly string[]): Row {
  const names = (activities: readonly string[]) => activities.join(', ') || 'nothing';
  const name = `of operations terminated at ${names(terminated)}, and of one that went on at ${names(same)}`;
  return { name, verb, terminated, same };
}

const apply = () => Promise.resolve(['apply', '-f', stage.specFile, '--yes']);
const change = async () => ['apply', '-f', await changed(500), '--yes'];
const destroy = () => Promise.resolve(['destroy', '-f', stage.specFile, '--yes', '--confirm', stage.spec.name]);
const applyToBare = async () => {
  await startHeir();
  await done(...(await destroy()), '--delete-data');
  await layToRest();
  return apply();
};

const BUILDING = [
  row(
    apply,
    ['prepareHost', 'placeNode', 'startNode', 'formCluster'],
    ['takeLease', 'formCluster', 'recordIdentities', 'releaseLease'],
  ),
  row(change, CHANGE, CHANGE),
];

/** Each kind has been there once, on hosts and on Redis both ways. With ZOMBIES=all every kind is, both ways; it takes three times as long. */
const ENDING = [
  row(destroy, ['takeLease', 'stopNode'], ['removeNode', 'releaseHost']),
  ...(process.env['ZOMBIES'] === 'all'
    ? [
        row(applyToBare, ['takeLease'], ['prepareHost', 'placeNode', 'startNode']),
        row(destroy, [], ['stopNode']),
        row(applyToBare, ['recordIdentities', 'releaseLease'], []),
        row(destroy, ['removeNode', 'releaseHost'], []),
      ]
    : []),
];

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

describe('a worker that was stopped right before its effect, and wakes after the end, changes nothing', () => {
  it.each(BUILDING)('$name', haunted);

  it('of a run that was ended by the reset of an older one; the reset run finds itself fenced, and nothing is left to do', async () => {
    const ghost = await ghostAt('setSettings');
    const cli = stage.begin('apply', '-f', await changed(700), '--yes');
    await ghost.stopped();
    const before = await stateOf(stage);
    const reset = await resetBefore('formCluster');
    await ended(cli);
    await startHeir();
    await expect(reset.result()).rejects.toMatchObject({ cause: { type: 'Fenced' } });
    expect(await stateOf(stage)).toEqual(before);
    // The files and the nodes are as this spec wants them: only the lease of the dead run is left.
    const { exitCode, report, stderr } = await stage.apply('-f', await changed(500));
    expect(exitCode, stderr).toBe(0);
    expect(report).toMatchObject({ changed: false, verdictAfter: { healthy: true } });
    await wakeAll();
  });

  it.each(ENDING)('$name', haunted);
});

async function haunted({ terminated, same, verb }: Row): Promise<void> {
  const words = await verb();
  await terminatedAt(terminated, words);
  const run = () => done(...words);
  if (same.length > 0) {
    await throughAll(same, run);
  } else {
    await startHeir();
    await run();
  }
  await wakeAll();
}

async function done(...words: string[]): Promise<void> {
  const { exitCode, stderr } = await stage.run(...words);
  expect(exitCode, stderr).toBe(0);
}

/** Resets the oldest apply that came to its end, to right before it asked for this activity: Temporal terminates what runs under the ID. */
async function resetBefore(activity: string) {
  const workflowId = operationWorkflowId(stage.spec.name);
  const runs = [];
  for await (const run of client.workflow.list({ query: `WorkflowId = "${workflowId}"` })) runs.push(run);
  const oldest = runs
    .filter(({ status, type }) => status.name === 'COMPLETED' && type === 'applyClusterWorkflow')
    .sort((a, b) => a.startTime.getTime() - b.startTime.getTime())
    .map(({ runId }) => runId)
    .at(0);
  if (oldest === undefined) throw new Error('no apply has come to its end');
  const { events } = await client.workflow.getHandle(workflowId, oldest).fetchHistory();
  const asked = (events ?? []).find(
    (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity,
  );
  const { runId } = await client.workflowService.resetWorkflowExecution({
    namespace: client.options.namespace,
    workflowExecution: { workflowId, runId: oldest },
    workflowTaskFinishEventId: asked?.activityTaskScheduledEventAttributes?.workflowTaskCompletedEventId ?? null,
    requestId: randomUUID(),
    reason: 'a test',
  });
  return client.workflow.getHandle(workflowId, runId);
}
