import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, inject, it } from 'vitest';
import { ForgeError } from '../../domain/errors.js';
import type { OperationReport } from '../../domain/operation.js';
import type { Step } from '../../domain/plan.js';
import type { MovedSlots, MoveSlotsStep } from '../../domain/reshape-steps.js';
import type { MoveProgress } from '../../domain/slot-moves.js';
import { awaitReport } from '../../starters/reports.js';
import type { applyClusterWorkflow } from '../../workflows/index.js';
import { pauseUpdate, progressQuery, resumeUpdate } from '../../workflows/messages.js';
import { gate } from '../support/gate.js';
import { type OperationWorkflow, runScripted, type Script } from '../support/scripted.js';
import { until } from '../support/until.js';
import { world } from '../support/world.js';

const address = inject('temporalAddress');

let clusters = 0;
const fresh = () => `move-${process.pid}-${++clusters}`;

type Handle = WorkflowHandle<typeof applyClusterWorkflow>;

const MOVE: Step = {
  kind: 'moveSlots',
  id: 'moveSlots',
  why: 'even shares',
  moves: [{ ranges: [[0, 99]], from: 'h1:6379', to: 'h4:6379' }],
};
const SMOKE: Step = { kind: 'smokeTest', id: 'smokeTest' };

const batch = (slotsDone: number, change: Partial<MoveProgress> = {}): MovedSlots => ({
  effects: [`h1:6379 → h4:6379: up to ${slotsDone}`],
  progress: { slotsDone, slotsLeft: 100 - slotsDone, keys: 500, bytes: 5000, tookMs: 1000, p99Ms: 1.5, ...change },
});

const nothing = async () => Promise.resolve({ effects: [] });

interface Moving {
  readonly steps?: Step[];
  readonly calls?: string[];
  readonly script: Script;
  readonly workflow?: OperationWorkflow;
}

async function run(
  { steps = [MOVE, SMOKE], calls = [], script, workflow = 'rebalanceClusterWorkflow' }: Moving,
  use: (handle: Handle) => Promise<void> = async () => {},
): Promise<OperationReport> {
  const scripted = world({ steps, calls, script: { smokeTest: nothing, ...script } });
  return runScripted({ address, cluster: fresh(), workflow, script: scripted }, async ({ handle }) => {
    await use(handle);
    return awaitReport(handle);
  });
}

/** The answers in turn, and who asked. */
function answering(batches: readonly MovedSlots[], asked: MoveSlotsStep[] = []): Script {
  const left = [...batches];
  return {
    moveSlots: async (step) => {
      asked.push(step);
      const next = left.shift();
      if (next === undefined) throw new Error('asked once too often');
      return Promise.resolve(next);
    },
  };
}

/** A batch that goes on until it is interrupted, and then says how far it got. */
const UNTIL_INTERRUPTED = async (slotsDone: number) => {
  await new Promise((resolve) => Context.current().cancellationSignal.addEventListener('abort', resolve));
  return batch(slotsDone);
};

describe('a move of slots', () => {
  it('goes on batch after batch until no slot is left, each with a token of its own, and says how far it is', async () => {
    const asked: MoveSlotsStep[] = [];
    const report = await run({ script: answering([batch(30), batch(80), batch(100)], asked) });
    expect(report).toMatchObject({ outcome: 'done', operation: 'rebalance', changed: true });
    expect(asked.map(({ token }) => token.step)).toEqual(['moveSlots/1', 'moveSlots/2', 'moveSlots/3']);
    expect(report.steps[0]?.effects).toHaveLength(3);
    expect(report.steps[0]?.moved).toEqual({
      slotsDone: 100,
      slotsLeft: 0,
      keys: 1500,
      bytes: 15_000,
      p99Ms: 1.5,
      keysPerSecond: 500,
      bytesPerSecond: 5000,
      secondsLeft: 0,
    });
  });

  it('gives a long move longer batches, so that its history stays small', async () => {
    const asked: MoveSlotsStep[] = [];
    const slow = batch(1, { tookMs: 60_000 });
    await run({ script: answering([slow, batch(100)], asked) });
    expect(asked.map(({ budgetMs }) => budgetMs)).toEqual([2000, 59_400]);
  });

  it('shows in the query how far it is while it goes on', async () => {
    const second = gate();
    let batches = 0;
    const script: Script = {
      moveSlots: async () => {
        batches += 1;
        if (batches === 1) return batch(40);
        await second.pass();
        return batch(100);
      },
    };
    await run({ script }, async (handle) => {
      await second.reached;
      const { steps } = await handle.query(progressQuery);
      expect(steps[0]).toMatchObject({ state: 'running', moved: { slotsDone: 40, slotsLeft: 60, secondsLeft: 2 } });
      second.open();
    });
  });

  it('is interrupted by a pause, stands with nothing running, and goes on when resumed', async () => {
    const first = gate();
    let batches = 0;
    const script: Script = {
      moveSlots: async () => {
        batches += 1;
        if (batches > 1) return batch(100);
        const interrupted = UNTIL_INTERRUPTED(10);
        void first.pass();
        return interrupted;
      },
    };
    const report = await run({ script }, async (handle) => {
      await first.reached;
      await handle.executeUpdate(pauseUpdate, { args: [{ actor: 'ann', reason: 'a look' }] });
      await until('the batch has come to its end', async () => {
        const { steps } = await handle.query(progressQuery);
        return steps[0]?.moved?.slotsDone === 10;
      });
      expect((await handle.describe()).raw.pendingActivities ?? []).toEqual([]);
      expect(batches).toBe(1);
      await handle.executeUpdate(resumeUpdate, { args: [{ actor: 'ann' }] });
    });
    expect(report).toMatchObject({ outcome: 'done', pauses: [{ resumedBy: 'ann' }] });
    expect(batches).toBe(2);
  });

  it('is interrupted by a cancellation: what was moved is told, nothing new begins, and what was closed is read back', async () => {
    const first = gate();
    const calls: string[] = [];
    const script: Script = {
      moveSlots: async () => {
        const interrupted = UNTIL_INTERRUPTED(10);
        void first.pass();
        return interrupted;
      },
    };
    const report = await run({ script, calls }, async (handle) => {
      await first.reached;
      await handle.cancel();
    });
    expect(report).toMatchObject({ outcome: 'cancelled', changed: true, verdictAfter: { healthy: true } });
    expect(report.steps.map(({ state }) => state)).toEqual(['changed', 'skipped']);
    expect(report.steps[0]).toMatchObject({ effects: ['h1:6379 → h4:6379: up to 10'], moved: { slotsLeft: 90 } });
    expect(calls).toContain('settled');
  });

  it('has what an interrupted batch left open closed by another one, where its worker died before it could', async () => {
    const first = gate();
    const budgets: [string, number][] = [];
    const script: Script = {
      repairSlots: async ({ token, repairs }) => {
        budgets.push([token.step, repairs.length]);
        return Promise.resolve({ effects: ['closed'] });
      },
      moveSlots: async ({ token, budgetMs }) => {
        budgets.push([token.step, budgetMs]);
        if (budgets.length > 1) return batch(5);
        void first.pass();
        return Context.current().cancelled;
      },
    };
    const report = await run({ script }, async (handle) => {
      await first.reached;
      await handle.cancel();
    });
    expect(budgets).toEqual([
      ['moveSlots/1', 2000],
      ['moveSlots/1/close', 1],
      ['moveSlots/1/count', 0],
    ]);
    expect(report).toMatchObject({ outcome: 'cancelled', steps: [{ moved: { slotsDone: 5 } }, {}] });
  });

  it('lets go of pinned replicas also where a step fails', async () => {
    const calls: string[] = [];
    const pins: Step[] = [
      { kind: 'pinReplicas', id: 'pinReplicas', nodes: ['h1:6379'] },
      MOVE,
      { kind: 'unpinReplicas', id: 'unpinReplicas', nodes: ['h1:6379'] },
    ];
    const report = await run({
      steps: pins,
      script: {
        pinReplicas: async () => Promise.resolve({ effects: ['pinned'] }),
        moveSlots: async () => {
          const text = { what: 'No memory.', left: 'Slots.', next: 'More.' };
          return Promise.reject(new ForgeError('Refused', text));
        },
        unpinReplicas: async ({ nodes }) => {
          calls.push(`unpin ${nodes.join()}`);
          return Promise.resolve({ effects: [] });
        },
      },
    });
    expect(report).toMatchObject({ outcome: 'failed', failure: { type: 'Refused' } });
    expect(calls).toEqual(['unpin h1:6379']);
  });
});

describe('every verb that changes the shape', () => {
  it.each([
    ['scaleClusterWorkflow', 'scale'],
    ['rebalanceClusterWorkflow', 'rebalance'],
    ['reshardClusterWorkflow', 'reshard'],
    ['replaceHostWorkflow', 'replace'],
    ['repairClusterWorkflow', 'repair'],
  ] as const)(
    '%s goes through its stages in the order of the plan, hosts before and after the cluster',
    async (workflow, operation) => {
      const calls: string[] = [];
      const did = (what: string) => async () => {
        calls.push(what);
        return Promise.resolve({ effects: [what] });
      };
      const left = [{ name: 'h2:6379', nodeId: 'b'.repeat(40) }];
      const steps: Step[] = [
        { kind: 'prepareHost', id: 'prepareHost/h1', host: 'h1', why: 'bare' },
        { kind: 'repairSlots', id: 'repairSlots', repairs: [] },
        { kind: 'joinNodes', id: 'joinNodes', masters: ['h1:6379'], replicas: [] },
        MOVE,
        { kind: 'attachReplica', id: 'attachReplica/h3', node: 'h3:6379', of: 'h1:6379', why: 'its master leaves' },
        { kind: 'switchMaster', id: 'switchMaster/h4', node: 'h4:6379', was: 'h5:6379', why: 'zones' },
        { kind: 'forgetNodes', id: 'forgetNodes', nodes: left, why: 'leaving' },
        { kind: 'stopNode', id: 'stopNode/h2', host: 'h2', node: 'h2:6379' },
        { kind: 'awaitForgotten', id: 'awaitForgotten', nodes: left },
        { kind: 'removeNode', id: 'removeNode/h2', host: 'h2', node: 'h2:6379', data: 'delete' },
        { kind: 'releaseHost', id: 'releaseHost/h2', host: 'h2', data: 'delete' },
      ];
      const report = await run({
        steps,
        workflow,
        script: {
          prepareHost: did('prepare'),
          repairSlots: did('repair'),
          joinNodes: async () => {
            calls.push('join');
            return Promise.resolve({ effects: ['join'], identities: { 'h1:6379': 'a'.repeat(40) } });
          },
          recordIdentities: async ({ host, identities }) => {
            expect(identities).toEqual(host === 'h1' ? { 6379: 'a'.repeat(40) } : {});
            if (host === 'h1') calls.push('record');
            return Promise.resolve({ effects: [] });
          },
          moveSlots: async () => {
            calls.push('move');
            return Promise.resolve(batch(100));
          },
          attachReplica: did('attach'),
          switchMaster: did('switch'),
          forgetNodes: did('forget'),
          stopNode: did('stop'),
          awaitForgotten: did('look again'),
          removeNode: did('remove'),
          releaseHost: did('release host'),
        },
      });
      expect(report).toMatchObject({ outcome: 'done', operation });
      const order = ['prepare', 'repair', 'join', 'record', 'move', 'attach', 'switch', 'forget', 'stop', 'look again'];
      expect(calls).toEqual([...order, 'remove', 'release host']);
    },
  );
});
