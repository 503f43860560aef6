import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { NodeStatus } from '../../domain/verdict.js';
import type { EngineName } from '../../lab/engines.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { reshaped } from '../support/reshaped.js';

/** What `reshard` is to do on each of these engines. */
export function describeReshard(engines: readonly EngineName[]): void {
  describe.each(engines)('reshard on %s', { timeout: 300_000 }, (engine) => {
    let stage: ReshapeStage;

    beforeAll(async () => {
      const name = `reshard-${engine.replace('.', '-')}-${process.pid}`;
      stage = await openReshapeStage({ temporalAddress: inject('temporalAddress'), name, engine });
      await stage.startWorker();
      const { exitCode, stderr } = await stage.operate(['apply']);
      expect(exitCode, stderr).toBe(0);
      await stage.fill(5000);
    }, 300_000);
    afterAll(() => stage?.close());

    const masters = async () => (await stage.nodes()).filter(({ role }) => role === 'master');
    const owns = ({ slots }: NodeStatus, slot: number) => slots.some(([from, to]) => from <= slot && slot <= to);

    it('moves the ranges that it is told to move, and nothing else', async () => {
      const before = await masters();
      const [first, second] = before;
      // The longest, so that a second try finds room between what the first one has moved.
      const longest = (node?: NodeStatus) => [...(node?.slots ?? [])].sort((a, b) => b[1] - b[0] - (a[1] - a[0]))[0];
      const from = longest(second)?.[0] ?? 0;
      const other = longest(first)?.[0] ?? 0;
      const { report, ledger } = await reshaped(stage, {
        verb: [
          ...['reshard', '--slots', `${from}-${from + 99},${from + 500}`, '--to', first?.name ?? ''],
          ...['--slots', `${other}-${other + 49}`, '--to', second?.name ?? ''],
        ],
        // What moves and what lies beside it, so that each slot is written to again and again while it goes.
        ledger: {
          ...{ perSecond: 2500, mostKeys: 20_000 },
          slots: [
            [from, from + 599],
            [other, other + 149],
          ],
        },
      });
      expect(report.steps.find(({ id }) => id.startsWith('moveSlots'))?.moved).toMatchObject({
        slotsDone: 151,
        slotsLeft: 0,
      });
      const after = await masters();
      const ownerOf = (nodes: readonly NodeStatus[], slot: number) => nodes.find((node) => owns(node, slot))?.name;
      const moved = Array.from({ length: 16_384 }, (_, slot) => slot).filter(
        (slot) => ownerOf(before, slot) !== ownerOf(after, slot),
      );
      expect(moved).toHaveLength(151);
      expect(ownerOf(after, from + 500)).toBe(first?.name);
      expect(ownerOf(after, other + 49)).toBe(second?.name);
      expect(ledger.acknowledged).toBeGreaterThan(2000);
      expect(ledger.leastWrites).toBeGreaterThan(0);
    });
  });
}
