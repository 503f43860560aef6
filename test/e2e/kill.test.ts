import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { operationWorkflowId } from '../../domain/ids.js';
import type { NodeStatus } from '../../domain/verdict.js';
import { type Failpoint, type JournalEntry, openStage, type Process, type Stage } from '../support/e2e.js';
import { until } from '../support/until.js';

const temporalAddress = inject('temporalAddress');

/** Everything about a cluster that has to be the same whether or not somebody was killed while it was made; Redis's own IDs are random. */
function shapeOf(nodes: readonly NodeStatus[]) {
  const nameOf = (id: string | null) => nodes.find((node) => node.id === id)?.name ?? null;
  return nodes
    .map(({ name, zone, role, slots, masterId }) => ({ name, zone, role, slots, master: nameOf(masterId) }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** What was done on the hosts, without the generation, which a takeover raises, and without leases, which each run has its own. */
function effectsOf(journal: readonly JournalEntry[]): string[] {
  return journal
    .filter(({ effect }) => !effect.startsWith('lease.'))
    .map(
      ({ host, effect, detail }) =>
        `${host} ${effect} ${effect.startsWith('identity.') || effect.startsWith('node.') ? detail.split(' ')[0] : detail}`,
    )
    .sort();
}

describe('apply survives', () => {
  let undisturbed: { shape: ReturnType<typeof shapeOf>; effects: string[] };
  let stage: Stage;

  beforeAll(async () => {
    stage = await openStage({ temporalAddress, name: `kill-${process.pid}` });
    const worker = await stage.startWorker();
    const { report } = await stage.apply();
    expect(report.outcome).toBe('done');
    undisturbed = { shape: shapeOf(report.verdictAfter?.nodes ?? []), effects: effectsOf(await stage.journal()) };
    await bare();
    worker.kill('SIGTERM');
    await worker.exited;
  });
  afterAll(() => stage.close());

  /** The hosts as they were before the first apply. */
  async function bare(): Promise<void> {
    const { exitCode, stderr } = await stage.run(
      'destroy',
      '-f',
      stage.specFile,
      '--yes',
      '--confirm',
      stage.spec.name,
      '--delete-data',
    );
    expect(exitCode, stderr).toBe(0);
  }

  async function expectUndisturbed(nodes: readonly NodeStatus[] | undefined): Promise<void> {
    expect(shapeOf(nodes ?? [])).toEqual(undisturbed.shape);
    expect(effectsOf(await stage.journal())).toEqual(undisturbed.effects);
  }

  const at = (when: Failpoint['when'], activity: string, call = 1): Failpoint => ({ when, activity, call });
  const killings: { points: readonly Failpoint[] }[] = [
    {
      points: [
        at('before', 'surveyHost', 2),
        at('before', 'takeLease', 3),
        at('after', 'takeLease', 6),
        at('after', 'prepareHost', 2),
      ],
    },
    {
      points: [
        at('after', 'placeNode', 2),
        at('before', 'startNode', 4),
        at('after', 'startNode', 2),
        at('before', 'formCluster'),
      ],
    },
    {
      points: [
        at('after', 'formCluster'),
        at('after', 'recordIdentities', 2),
        at('after', 'smokeTest'),
        at('before', 'releaseLease', 2),
      ],
    },
  ];

  it.each(killings)('kill -9 of one worker after the other, in one run: $points', async ({ points }) => {
    const [first, ...further] = points;
    if (first === undefined) throw new Error('no point');
    let doomed = await stage.startWorker(first);
    const applying = stage.apply();
    for (const point of further) {
      await fallen(doomed);
      doomed = await stage.startWorker(point);
    }
    await fallen(doomed);
    const heir = await stage.startWorker();
    const { exitCode, report, stderr } = await applying;
    expect(exitCode, stderr).toBe(0);
    expect(report).toMatchObject({ outcome: 'done', changed: true, verdictAfter: { healthy: true } });
    await expectUndisturbed(report.verdictAfter?.nodes);
    await bare();
    heir.kill('SIGKILL');
    await heir.exited;
  });

  /** The failpoint was hit: the worker is gone by its own hand, not by an error of its own. */
  async function fallen(worker: Process): Promise<void> {
    await worker.exited;
    expect(worker.child.signalCode, worker.output()).toBe('SIGKILL');
  }

  it('kill -9 of the worker after a step was reported', async () => {
    const doomed = await stage.startWorker();
    const applying = stage.apply();
    await untilCompleted('startNode');
    doomed.kill('SIGKILL');
    await doomed.exited;
    const heir = await stage.startWorker();
    const { exitCode, report, stderr } = await applying;
    expect(exitCode, stderr).toBe(0);
    await expectUndisturbed(report.verdictAfter?.nodes);
    await bare();
    heir.kill('SIGKILL');
    await heir.exited;
  });

  it('kill -9 of the CLI: the operation goes on, and another terminal attaches to it', async () => {
    const worker = await stage.startWorker();
    const cli = stage.begin('apply', '-f', stage.specFile, '--yes');
    await untilCompleted('takeLease');
    cli.kill('SIGKILL');
    const { exitCode, stdout, stderr } = await stage.run('ops', 'watch', stage.spec.name, '--json');
    expect(exitCode, stderr).toBe(0);
    const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { verdictAfter: { nodes: NodeStatus[] } };
    await expectUndisturbed(report.verdictAfter.nodes);
    await bare();
    worker.kill('SIGKILL');
  });

  /** Until the running operation's history holds the end of such an activity. */
  async function untilCompleted(activity: string): Promise<void> {
    const connection = await Connection.connect({ address: temporalAddress });
    const handle = new Client({ connection }).workflow.getHandle(operationWorkflowId(stage.spec.name));
    try {
      await until(
        `${activity} is reported`,
        async () => {
          if ((await handle.describe()).status.name !== 'RUNNING') return false;
          const { events = [] } = await handle.fetchHistory();
          const scheduled = (events ?? []).filter(
            ({ activityTaskScheduledEventAttributes: a }) => a?.activityType?.name === activity,
          );
          const ids = new Set(scheduled.map(({ eventId }) => String(eventId)));
          return (events ?? []).some(({ activityTaskCompletedEventAttributes: a }) =>
            ids.has(String(a?.scheduledEventId)),
          );
        },
        30_000,
      );
    } finally {
      await connection.close();
    }
  }
});
