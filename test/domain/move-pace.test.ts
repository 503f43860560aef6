import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextBatchMs, type Pace } from '../../domain/move-pace.js';

/** Batches that a move takes whose slots all take as long. */
function batchesOf({ slots, msPerSlot, batchMs }: { slots: number; msPerSlot: number; batchMs: number }): number[] {
  const budgets: number[] = [];
  let last: Pace['last'] = null;
  for (let left = slots; left > 0; ) {
    const budgetMs = nextBatchMs({ batchMs, last });
    const moved = Math.min(left, Math.max(1, Math.floor(budgetMs / msPerSlot)));
    left -= moved;
    last = { budgetMs, tookMs: moved * msPerSlot, slots: moved, slotsLeft: left };
    budgets.push(budgetMs);
  }
  return budgets;
}

describe('the length of batches', () => {
  it('keeps all slots of a cluster below 200 batches, whether they take minutes or a night', () => {
    const worlds = fc.record({
      slots: fc.integer({ min: 1, max: 16_384 }),
      msPerSlot: fc.double({ min: 0.05, max: 3000, noNaN: true }),
      batchMs: fc.integer({ min: 1000, max: 60_000 }),
    });
    fc.assert(
      fc.property(worlds, (world) => {
        const budgets = batchesOf(world);
        expect(budgets.length).toBeLessThan(200);
        for (const [i, budget] of budgets.entries()) {
          expect(budget).toBeGreaterThanOrEqual(budgets[i - 1] ?? world.batchMs);
          expect(budget).toBeLessThanOrEqual(600_000);
        }
      }),
    );
  });

  it('is what the spec says for a short move, and where a batch moved nothing', () => {
    expect(nextBatchMs({ batchMs: 5000, last: null })).toBe(5000);
    const stuck = { budgetMs: 5000, tookMs: 5000, slots: 0, slotsLeft: 9 };
    expect(nextBatchMs({ batchMs: 5000, last: stuck })).toBe(5000);
  });
});
