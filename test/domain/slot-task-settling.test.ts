import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AtomicTask } from '../../domain/atomic-tasks.js';
import { type NodeTasks, settleTasks } from '../../domain/slot-task-settling.js';

const ID = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)] as const;

function task(change: Partial<AtomicTask>): AtomicTask {
  return {
    ...{ id: ID[0], side: 'import', ranges: [[0, 9]], sourceId: ID[1], targetId: ID[2] },
    ...{ state: 'running', stage: 'streaming-buf', error: '', retries: 0 },
    ...change,
  };
}

const on = (node: string, ...tasks: AtomicTask[]): NodeTasks => ({ node, engine: 'redis', tasks });

const anyTask: fc.Arbitrary<AtomicTask> = fc
  .record({
    id: fc.constantFrom(...ID),
    side: fc.constantFrom('import', 'export'),
    state: fc.constantFrom('running', 'retrying', 'done', 'cancelled', 'failed'),
    stage: fc.constantFrom('none', 'connecting', 'auth-reply', 'rdbchannel-transfer', 'streaming-buf', 'takeover'),
    retries: fc.nat(3),
  } satisfies Record<string, fc.Arbitrary<unknown>>)
  .map((one) => task(one as Partial<AtomicTask>));

const anyNodes: fc.Arbitrary<NodeTasks[]> = fc
  .tuple(
    ...['h1:6379', 'h2:6379', 'h3:6379'].map((node) =>
      fc.record({
        node: fc.constant(node),
        engine: fc.constantFrom('redis', 'valkey'),
        tasks: fc.array(anyTask, { maxLength: 4 }),
      } as const),
    ),
  )
  .map((nodes): NodeTasks[] => nodes.map((node) => ({ ...node })));

describe('settleTasks', () => {
  it('lets what runs come to its end, and cancels an import that fails and is begun again', () => {
    const source = on('h1:6379', task({ side: 'export' }));
    expect(settleTasks([source, on('h2:6379', task({}))])).toEqual({
      cancel: [],
      waitFor: [`h1:6379: export aaaaaaaa is at streaming-buf`, `h2:6379: import aaaaaaaa is at streaming-buf`],
    });
    const failing = task({ state: 'retrying', stage: 'failed', error: 'Failed to auth', retries: 2 });
    expect(settleTasks([on('h2:6379', failing)])).toEqual({
      cancel: [{ node: 'h2:6379', task: ID[0], why: 'Failed to auth' }],
      waitFor: [],
    });
  });

  it('takes one that was begun again for failing only while no data has come', () => {
    const again = (stage: string) => settleTasks([on('h2:6379', task({ retries: 1, stage }))]).cancel.length;
    expect([again('connecting'), again('auth-reply'), again('streaming-buf')]).toEqual([1, 1, 0]);
  });

  it('cancels what a source keeps of a failed one where no target begins it again, and waits for nobody', () => {
    const left = on('h1:6379', task({ side: 'export', state: 'failed', stage: 'failed' }));
    expect(settleTasks([left]).cancel).toMatchObject([{ node: 'h1:6379' }]);
    expect(settleTasks([left, on('h2:6379', task({}))])).toMatchObject({
      cancel: [],
      waitFor: [expect.stringContaining('import')],
    });
  });

  it('never touches what is over or runs well, nor anything of Valkey, and waits for all the rest that is under way', () => {
    fc.assert(
      fc.property(anyNodes, (nodes) => {
        const { cancel, waitFor } = settleTasks(nodes);
        const all = nodes.flatMap(({ node, engine, tasks }) => tasks.map((one) => ({ node, engine, ...one })));
        for (const { node, task: id } of cancel) {
          const told = all.filter((one) => one.node === node && one.id === id);
          expect(told.some(({ engine }) => engine === 'redis')).toBe(true);
          expect(
            told.some(({ side, state, retries }) =>
              side === 'import' ? state === 'retrying' || (state === 'running' && retries > 0) : state === 'failed',
            ),
          ).toBe(true);
        }
        const cancelled = new Set(cancel.map((one) => one.task));
        const under = all.filter(({ id, state }) => ['running', 'retrying'].includes(state) && !cancelled.has(id));
        expect(waitFor).toHaveLength(under.length);
      }),
    );
  });
});
