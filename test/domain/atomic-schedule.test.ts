import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REDIS_LIMITS, VALKEY_LIMITS } from '../../domain/atomic-pace.js';
import {
  type Chunk,
  type Lanes,
  type Pair,
  pairsToStart,
  type SlotLoad,
  takeChunk,
  takeRanges,
} from '../../domain/atomic-schedule.js';
import { eachSlot } from '../../domain/ownership.js';
import { slotsIn } from '../../domain/slots.js';

const loads: fc.Arbitrary<SlotLoad[]> = fc
  .uniqueArray(fc.nat(16_383), { maxLength: 300 })
  .chain((slots) =>
    fc.tuple(...slots.sort((a, b) => a - b).map((slot) => fc.record({ slot: fc.constant(slot), keys: fc.nat(5000) }))),
  );

describe('takeChunk', () => {
  it('puts each slot into exactly one chunk, and no more keys into one than wanted, but for a slot that has more by itself', () => {
    fc.assert(
      fc.property(loads, fc.integer({ min: 1, max: 20_000 }), (all, maxKeys) => {
        const chunks: Chunk[] = [];
        for (let left: readonly SlotLoad[] = all; left.length > 0; ) {
          const taken = takeChunk(left, maxKeys);
          chunks.push(taken.chunk);
          left = taken.left;
        }
        expect(chunks.flatMap(({ ranges }) => [...eachSlot(ranges)])).toEqual(all.map(({ slot }) => slot));
        for (const { ranges, keys, loads: own } of chunks) {
          expect(slotsIn(ranges)).toBe(own.length);
          expect(own.length).toBeGreaterThan(0);
          expect(keys).toBe(own.reduce((sum, one) => sum + one.keys, 0));
          expect(keys <= maxKeys || own.length === 1).toBe(true);
        }
      }),
    );
  });
});

describe('takeRanges', () => {
  it('takes all of the slots or nothing', () => {
    const left = [1, 2, 3, 7].map((slot) => ({ slot, keys: slot }));
    expect(takeRanges(left, [[2, 3]])).toMatchObject({
      chunk: { ranges: [[2, 3]], keys: 5 },
      left: [
        { slot: 1, keys: 1 },
        { slot: 7, keys: 7 },
      ],
    });
    expect(takeRanges(left, [[3, 4]])).toBeNull();
  });
});

const lanesOfBoth: [string, Lanes][] = [
  ['Redis', REDIS_LIMITS.lanes],
  ['Valkey', VALKEY_LIMITS.lanes],
];

const NODES = ['a', 'b', 'c', 'd', 'e', 'f'];
const ways = fc.uniqueArray(
  fc
    .record({ from: fc.constantFrom(...NODES), to: fc.constantFrom(...NODES), tasks: fc.integer({ min: 1, max: 5 }) })
    .filter(({ from, to }) => from !== to),
  { selector: ({ from, to }) => from + to, minLength: 1, maxLength: 12 },
);

function loadOf(name: string, running: readonly { readonly from: string; readonly to: string }[]): Lanes {
  const source = running.filter(({ from }) => from === name).length;
  const target = running.filter(({ to }) => to === name).length;
  return { source, target };
}

function bears(lanes: Lanes, ...loads: readonly Lanes[]): boolean {
  return loads.every(
    ({ source, target }) => source <= lanes.source && target <= lanes.target && (source === 0 || target === 0),
  );
}

/** What both would have with one more task between them. */
function roomFor(
  from: string,
  to: string,
  running: readonly { readonly from: string; readonly to: string }[],
): Lanes[] {
  const more = [...running, { from, to }];
  return [loadOf(from, more), loadOf(to, more)];
}

describe.each(lanesOfBoth)('pairsToStart, %s', (_, lanes) => {
  it('gives no node more than it bears nor two directions at once, keeps nobody waiting who could run, and brings every pair to its end', () => {
    fc.assert(
      fc.property(ways, fc.array(fc.nat(100), { minLength: 20, maxLength: 20 }), (all, ends) => {
        const left = all.map(({ tasks }) => tasks);
        const running: { from: string; to: string; pair: number }[] = [];
        for (let round = 0; round < 100 && left.some((count) => count > 0); round += 1) {
          const pairs = all.map(({ from, to }, i): Pair => {
            const leftSlots = left[i] ?? 0;
            const own = running.filter(({ pair }) => pair === i).length;
            return { from, to, leftSlots, leftKeys: leftSlots * 10, running: own, ready: true };
          });
          for (const pair of pairsToStart(pairs, lanes)) {
            const { from = '', to = '' } = all[pair] ?? {};
            left[pair] = (left[pair] ?? 0) - 1;
            running.push({ from, to, pair });
          }
          const over = NODES.filter((name) => !bears(lanes, loadOf(name, running)));
          const idle = all.filter(
            ({ from, to }, i) => (left[i] ?? 0) > 0 && bears(lanes, ...roomFor(from, to, running)),
          );
          expect({ over, idle, more: left.filter((count) => count < 0) }).toEqual({ over: [], idle: [], more: [] });
          running.splice((ends[round % ends.length] ?? 0) % running.length, 1);
        }
        expect(left.every((count) => count === 0)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('begins nothing with a pair that is not ready, and lets others go ahead of it', () => {
    const pair = { leftSlots: 5, leftKeys: 5, running: 0, ready: true };
    const first = { ...pair, from: 'a', to: 'b', leftKeys: 100, ready: false };
    expect(pairsToStart([first, { ...pair, from: 'c', to: 'b' }], lanes)).not.toContain(0);
    expect(pairsToStart([first, { ...pair, from: 'c', to: 'b' }], lanes)).toContain(1);
  });
});

it('Redis has one task a node: four masters that give to one another are two pairs at a time', () => {
  const way = (from: string, to: string, leftKeys: number): Pair => ({
    ...{ from, to, leftKeys, leftSlots: 10, running: 0, ready: true },
  });
  const all = [way('a', 'b', 5), way('a', 'c', 50), way('d', 'b', 40), way('d', 'c', 30)];
  expect(pairsToStart(all, REDIS_LIMITS.lanes)).toEqual([1, 2]);
});

it('nodes that give to each other do it by turns, and so do three in a ring', () => {
  const way = (from: string, to: string, running = 0): Pair => ({
    ...{ from, to, leftKeys: 10, leftSlots: 10, running, ready: true },
  });
  const { lanes } = VALKEY_LIMITS;
  expect(pairsToStart([way('a', 'b'), way('b', 'a')], lanes)).toEqual([0, 0]);
  expect(pairsToStart([way('a', 'b', 1), way('b', 'c'), way('c', 'a')], lanes)).toEqual([0]);
});
