import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { balanceBySlots, fillAndDrain, type SharingMaster, wantedCounts } from '../../domain/balance.js';
import { balanceByMemory } from '../../domain/balance-memory.js';
import { eachSlot, rangesBy } from '../../domain/ownership.js';
import type { SlotMove } from '../../domain/slot-moves.js';
import { compactRanges, evenShares, SLOT_COUNT, slotsIn, type SlotRange } from '../../domain/slots.js';

vi.setConfig({ testTimeout: 60_000 });

const nameAt = (i: number) => `h${i + 1}:6379`;

function master(i: number, slots: readonly SlotRange[], weight = 1): SharingMaster {
  return { name: nameAt(i), slots, weight };
}

/** Who owns what once the moves are made. A slot that its giver does not have, or that is moved to nobody, is a mistake. */
function after(masters: readonly SharingMaster[], moves: readonly SlotMove[]): SharingMaster[] {
  const ownerOf = new Array<number>(SLOT_COUNT).fill(-1);
  masters.forEach(({ slots }, i) => {
    for (const slot of eachSlot(slots)) ownerOf[slot] = i;
  });
  const index = (name: string) => masters.findIndex((one) => one.name === name);
  for (const { ranges, from, to } of moves) {
    const [giver, taker] = [index(from), index(to)];
    if (taker < 0 || giver === taker) throw new Error(`nothing can go from ${from} to ${to}`);
    for (const slot of eachSlot(ranges)) {
      if (ownerOf[slot] !== giver) throw new Error(`${from} does not own ${slot}`);
      ownerOf[slot] = taker;
    }
  }
  const owned = rangesBy((slot) => masters[ownerOf[slot] ?? -1]?.name);
  return masters.map((one) => ({ ...one, slots: owned.get(one.name) ?? [] }));
}

const counts = (masters: readonly SharingMaster[]) => masters.map(({ slots }) => slotsIn(slots));
const moved = (moves: readonly SlotMove[]) => moves.reduce((sum, { ranges }) => sum + slotsIn(ranges), 0);
const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0);

/** Masters that own all slots in any pieces; some own none, some are to own none. */
const anyMasters: fc.Arbitrary<SharingMaster[]> = fc
  .record({
    weights: fc.array(fc.constantFrom(0, 1, 1, 1, 0.5, 2, 1.25, 7), { minLength: 1, maxLength: 12 }),
    pieces: fc.array(fc.tuple(fc.nat(SLOT_COUNT - 1), fc.nat(11)), { minLength: 1, maxLength: 40 }),
  })
  .filter(({ weights }) => total(weights) > 0)
  .map(({ weights, pieces }) => {
    const borders = [...new Set([0, ...pieces.map(([from]) => from)])].sort((a, b) => a - b);
    const slots = weights.map((): SlotRange[] => []);
    borders.forEach((from, i) => {
      const owner = (pieces[i]?.[1] ?? 0) % weights.length;
      slots[owner]?.push([from, (borders[i + 1] ?? SLOT_COUNT) - 1]);
    });
    return weights.map((weight, i) => master(i, compactRanges(slots[i] ?? []), weight));
  });

const always = (holds: (masters: SharingMaster[]) => void) =>
  fc.assert(fc.property(anyMasters, holds), { numRuns: 100 });

const level = (masters: readonly SharingMaster[], thresholdPercent = 0) =>
  balanceBySlots({ masters, thresholdPercent });

describe('balance by slots', () => {
  it('gives a fourth master its quarter, in one range from each', () => {
    const masters = [...evenShares(3).map((range, i) => master(i, [range])), master(3, [])];
    const moves = level(masters);
    expect(moves.map(({ ranges, ...pair }) => ({ ...pair, slots: slotsIn(ranges), ranges: ranges.length }))).toEqual([
      { from: nameAt(2), to: nameAt(3), slots: 1366, ranges: 1 },
      { from: nameAt(0), to: nameAt(3), slots: 1365, ranges: 1 },
      { from: nameAt(1), to: nameAt(3), slots: 1365, ranges: 1 },
    ]);
  });

  it('lets one that gives what another lacks be a pair', () => {
    const masters = [
      master(0, [[0, 5999]]),
      master(1, [[6000, 13999]]),
      master(2, [[14000, 15383]]),
      master(3, [[15384, 16383]]),
    ];
    expect(level(masters).map(({ from, to }) => [from, to])).toEqual([
      [nameAt(1), nameAt(3)],
      [nameAt(0), nameAt(2)],
      [nameAt(1), nameAt(2)],
    ]);
  });

  it('leaves everything where nobody is further off than the threshold, and levels all where one is', () => {
    const masters = [master(0, [[0, 5561]]), master(1, [[5562, 10922]]), master(2, [[10923, 16383]])];
    expect(level(masters, 2)).toEqual([]);
    expect(moved(level(masters, 1))).toBe(100);
  });

  it('takes the border of what the receiver has, so that ranges do not multiply', () => {
    const masters = [master(0, [[0, 9999]]), master(1, [[10000, 16383]])];
    expect(level(masters)).toEqual([{ ranges: [[8192, 9999]], from: nameAt(0), to: nameAt(1) }]);
  });

  it('in any case covers each slot once after every move, and ends with shares less than one slot off', () => {
    always((masters) => {
      const levelled = after(masters, level(masters));
      expect(total(counts(levelled))).toBe(SLOT_COUNT);
      const whole = total(masters.map(({ weight }) => weight));
      for (const { weight, slots } of levelled) {
        expect(Math.abs(slotsIn(slots) - (SLOT_COUNT * weight) / whole)).toBeLessThan(1);
        if (weight === 0) expect(slots).toEqual([]);
      }
    });
  });

  it('moves no slot more than the shares ask for, whichever master gets the odd slots', () => {
    always((masters) => {
      const whole = total(masters.map(({ weight }) => weight));
      const exact = masters.map(({ weight }) => (SLOT_COUNT * weight) / whole);
      const owned = counts(masters);
      // Whatever is above the rounded-up share has to go, and what is missing to the rounded-down one has to come.
      const has = (i: number) => owned[i] ?? 0;
      const leaves = total(exact.map((share, i) => Math.max(0, has(i) - Math.ceil(share - 1e-9))));
      const comes = total(exact.map((share, i) => Math.max(0, Math.floor(share + 1e-9) - has(i))));
      expect(moved(level(masters))).toBe(Math.max(leaves, comes));
      const wanted = wantedCounts(masters);
      expect(moved(level(masters))).toBe(total(owned.map((count, i) => Math.max(0, count - (wanted[i] ?? 0)))));
    });
  });

  it('needs fewer pairs than there are masters', () => {
    always((masters) => {
      expect(level(masters).length).toBeLessThan(masters.length);
    });
  });

  it('has nothing to do when it is asked again', () => {
    always((masters) => {
      expect(level(after(masters, level(masters)))).toEqual([]);
    });
  });

  it('never makes the balance worse', () => {
    always((masters) => {
      const whole = total(masters.map(({ weight }) => weight));
      const worst = (state: readonly SharingMaster[]) =>
        Math.max(...state.map(({ slots, weight }) => Math.abs(slotsIn(slots) - (SLOT_COUNT * weight) / whole)));
      expect(worst(after(masters, level(masters, 5)))).toBeLessThanOrEqual(Math.max(1, worst(masters)));
    });
  });
});

describe('filling and draining, where nobody asked for a balance', () => {
  it('leaves uneven shares alone', () => {
    expect(fillAndDrain([master(0, [[0, 9]]), master(1, [[10, 16383]])])).toEqual([]);
  });

  it('gives a new master its even share from those that own most', () => {
    const masters = [master(0, [[0, 1999]]), master(1, [[2000, 16383]]), master(2, [])];
    const moves = fillAndDrain(masters);
    expect(moves.map(({ from, to }) => [from, to])).toEqual([[nameAt(1), nameAt(2)]]);
    expect(counts(after(masters, moves))).toEqual([2000, 8923, 5461]);
  });

  it('gives the slots of one that leaves to those that own least', () => {
    const masters = [master(0, [[0, 1999]]), master(1, [[2000, 9999]]), master(2, [[10000, 16383]], 0)];
    expect(counts(after(masters, fillAndDrain(masters)))).toEqual([8192, 8192, 0]);
  });

  it('in any case drains to zero, fills who has nothing, and touches others only for that', () => {
    always((masters) => {
      const filled = after(masters, fillAndDrain(masters));
      const whole = total(masters.map(({ weight }) => weight));
      const owned = counts(masters);
      const drained = total(owned.filter((_, i) => masters[i]?.weight === 0));
      expect(total(counts(filled))).toBe(SLOT_COUNT);
      let needed = 0;
      filled.forEach(({ weight, slots }, i) => {
        if (weight === 0) expect(slots).toEqual([]);
        if (weight === 0 || owned[i] !== 0) return;
        const share = Math.floor((SLOT_COUNT * weight) / whole);
        needed += share + 1;
        expect(slotsIn(slots)).toBeGreaterThanOrEqual(share);
      });
      expect(moved(fillAndDrain(masters))).toBeLessThanOrEqual(Math.max(drained, needed));
      expect(fillAndDrain(filled)).toEqual([]);
    });
  });
});

describe('balance by memory', () => {
  const loaded = fc.record({
    masters: anyMasters,
    seed: fc.array(fc.constantFrom(0, 10, 1_000, 1_100, 50_000), { minLength: 3, maxLength: 50 }),
    thresholdPercent: fc.constantFrom(1, 5, 20),
  });
  const alwaysLoaded = (
    holds: (given: { masters: SharingMaster[]; bytesOf: (slot: number) => number; thresholdPercent: number }) => void,
  ) =>
    fc.assert(
      fc.property(loaded, ({ masters, seed, thresholdPercent }) => {
        const bytesOf = (slot: number) => seed[(slot * 7919) % seed.length] ?? 0;
        holds({ masters, bytesOf, thresholdPercent });
      }),
      { numRuns: 20 },
    );
  const bytesIn = (slots: readonly SlotRange[], bytesOf: (slot: number) => number) =>
    total([...eachSlot(slots)].map(bytesOf));

  it('moves the few heavy slots, not the many light ones', () => {
    const masters = [master(0, [[0, 8191]]), master(1, [[8192, 16383]])];
    const bytesOf = (slot: number) => (slot === 5 || slot === 6 ? 1_000_000 : 1);
    expect(balanceByMemory({ masters, bytesOf, thresholdPercent: 2 })).toEqual([
      { ranges: [[5, 5]], from: nameAt(0), to: nameAt(1) },
    ]);
  });

  it('moves neighbours together where slots are alike', () => {
    const masters = [master(0, [[0, 16383]]), master(1, []), master(2, [])];
    const moves = balanceByMemory({ masters, bytesOf: (slot) => 1000 + (slot % 300), thresholdPercent: 2 });
    expect(moves?.map(({ ranges }) => ranges.length)).toEqual([1, 1]);
  });

  it('gives up nothing where there is nothing to weigh', () => {
    expect(balanceByMemory({ masters: [master(0, [[0, 16383]])], bytesOf: () => 0, thresholdPercent: 2 })).toBeNull();
  });

  it('in any case keeps each slot with one owner, drains to zero and never makes the balance worse', () => {
    alwaysLoaded(({ masters, bytesOf, thresholdPercent }) => {
      const moves = balanceByMemory({ masters, bytesOf, thresholdPercent });
      if (moves === null) return;
      const balanced = after(masters, moves);
      expect(total(counts(balanced))).toBe(SLOT_COUNT);
      const bytes = total(masters.map(({ slots }) => bytesIn(slots, bytesOf)));
      const whole = total(masters.map(({ weight }) => weight));
      const off = (state: readonly SharingMaster[]) =>
        state.map(({ slots, weight }) => Math.abs(bytesIn(slots, bytesOf) - (bytes * weight) / whole));
      for (const { weight, slots } of balanced) if (weight === 0) expect(slots).toEqual([]);
      const largest = 50_000;
      expect(total(off(balanced))).toBeLessThanOrEqual(total(off(masters)) + 1e-6);
      const drains = masters.some(({ weight, slots }) => weight === 0 && slots.length > 0);
      expect(Math.max(...off(balanced))).toBeLessThanOrEqual(Math.max(...off(masters)) + (drains ? largest : 1e-6));
    });
  });

  it('ends within the threshold where slots are small enough, and then has nothing to do', () => {
    alwaysLoaded(({ masters, thresholdPercent }) => {
      const bytesOf = (slot: number) => 100 + (slot % 7);
      const moves = balanceByMemory({ masters, bytesOf, thresholdPercent }) ?? [];
      const balanced = after(masters, moves);
      const bytes = total(masters.map(({ slots }) => bytesIn(slots, bytesOf)));
      const whole = total(masters.map(({ weight }) => weight));
      for (const { slots, weight } of balanced) {
        const share = (bytes * weight) / whole;
        const bound = Math.max(100, (share * thresholdPercent) / 100);
        expect(Math.abs(bytesIn(slots, bytesOf) - share)).toBeLessThanOrEqual(bound + 1e-6);
      }
      expect(balanceByMemory({ masters: balanced, bytesOf, thresholdPercent })).toEqual([]);
    });
  });
});
