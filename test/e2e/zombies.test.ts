import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { createActivities } from '../../activities/index.js';
import { hostHelper } from '../../activities/hosts/helper.js';
import { createSshPool } from '../../activities/ssh/pool.js';
import { createSecretResolver } from '../../config/secrets.js';
import { operationWorkflowId } from '../../domain/ids.js';
import { openStage, type Stage } from '../support/e2e.js';
import { stateOf } from '../support/snapshot.js';
import { done, ended, Haunting, ZOMBIE_CASES } from '../support/zombies.js';

const { apply: APPLY, change: CHANGE, move: MOVE, destroy: DESTROY } = ZOMBIE_CASES.processHosts;

/** They raise the same fence before their first command, as their own tests show: test/activities/redis/{members,slots}. */
const FENCED_ALIKE = [
  ...['joinNodes', 'attachReplica', 'switchMaster', 'forgetNodes', 'awaitForgotten'],
  ...['pinReplicas', 'unpinReplicas', 'repairSlots'],
];

/** What needs no case here, and why. */
const EXEMPT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      ...['surveyHost', 'surveyHosts', 'observeCluster', 'judgeCluster', 'awaitHealthy', 'awaitSettled'],
      ...['draftApplyPlan', 'draftDestroyPlan'],
    ].map((name) => [name, 'only reads']),
  ),
  ...Object.fromEntries(FENCED_ALIKE.map((name) => [name, 'behind the fence that formCluster and moveSlots show'])),
  ...Object.fromEntries(['readLog', 'readJournal'].map((name) => [name, 'only reads'])),
  ...Object.fromEntries(
    ['takeLease', 'releaseLease', 'recordIdentities'].map((name) => [
      name,
      'done on all hosts at once, by what is haunted',
    ]),
  ),
  smokeTest: 'works on keys of its own with a random name: test/activities/redis/smoke.test.ts',
  examinePorts: 'its listeners end by themselves and change nothing',
};

const temporalAddress = inject('temporalAddress');

let stage: Stage;
let haunting: Haunting;

beforeAll(async () => {
  stage = await openStage({ temporalAddress, name: `zombie-${process.pid}`, hosts: 3, nodesPerHost: 2 });
  haunting = await Haunting.open({ stage, temporalAddress });
});
afterEach(() => haunting.layToRest());
afterAll(async () => {
  await haunting?.close();
  await stage?.close();
});

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
/** Ten slots of their master to another one, in the cluster that the change left. */
async function move(): Promise<string[]> {
  const { status } = await stage.status();
  const target = status.nodes.find(({ slots: [first] }) => first !== undefined && first[0] > 0);
  return ['reshard', '-f', await changed(500), '--slots', '0-9', '--to', target?.name ?? '', '--yes'];
}
const destroy = () => Promise.resolve(['destroy', '-f', stage.specFile, '--yes', '--confirm', stage.spec.name]);
const applyToBare = async () => {
  await haunting.startHeir();
  await done(stage, [...(await destroy()), '--delete-data']);
  await haunting.layToRest();
  return apply();
};

const BUILDING = [
  row(
    apply,
    ['prepareHost', 'placeNode', 'startNode', 'formCluster'],
    ['takeLeases', 'formCluster', 'recordMembers', 'releaseLeases'],
  ),
  row(change, CHANGE, CHANGE),
  row(move, MOVE, MOVE),
];

/** Each kind has been there once, on hosts and on Redis both ways. With ZOMBIES=all every kind is, both ways; it takes three times as long. */
const ENDING = [
  row(destroy, ['takeLeases', 'stopNode'], ['removeNode', 'releaseHost']),
  ...(process.env['ZOMBIES'] === 'all'
    ? [
        row(applyToBare, ['takeLeases'], ['prepareHost', 'placeNode', 'startNode']),
        row(destroy, [], ['stopNode']),
        row(applyToBare, ['recordMembers', 'releaseLeases'], []),
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
    const known = [...APPLY, ...CHANGE, ...MOVE, ...DESTROY, ...ZOMBIE_CASES.containerHosts, ...Object.keys(EXEMPT)];
    expect(kinds.filter((kind) => !known.includes(kind))).toEqual([]);
  });
});

describe('a worker that was stopped right before its effect, and wakes after the end, changes nothing', () => {
  it.each(BUILDING)('$name', haunted);

  it('of a run that was ended by the reset of an older one; the reset run finds itself fenced, and nothing is left to do', async () => {
    const ghost = await haunting.ghostAt('setSettings');
    const cli = stage.begin('apply', '-f', await changed(700), '--yes');
    await ghost.stopped();
    const before = await stateOf(stage);
    const reset = await resetBefore('formCluster');
    await ended(cli);
    await haunting.startHeir();
    await expect(reset.result()).rejects.toMatchObject({ cause: { type: 'Fenced' } });
    expect(await stateOf(stage)).toEqual(before);
    // The files and the nodes are as this spec wants them: only the lease of the dead run is left.
    const { exitCode, report, stderr } = await stage.apply('-f', await changed(500));
    expect(exitCode, stderr).toBe(0);
    expect(report).toMatchObject({ changed: false, verdictAfter: { healthy: true } });
    await haunting.wakeAll();
  });

  it.each(ENDING)('$name', haunted);
});

async function haunted({ terminated, same, verb }: Row): Promise<void> {
  const words = await verb();
  await haunting.terminatedAt(terminated, words);
  const run = () => done(stage, words);
  if (same.length > 0) {
    await haunting.throughAll(same, run);
  } else {
    await haunting.startHeir();
    await run();
  }
  await haunting.wakeAll();
}

/** Resets the oldest apply that came to its end, to right before it asked for this activity: Temporal terminates what runs under the ID. */
async function resetBefore(activity: string) {
  const { client } = haunting;
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
