import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  firstPace,
  keysOfNextTask,
  nextPace,
  type Pace,
  REDIS_LIMITS,
  taskMs,
  VALKEY_LIMITS,
} from '../../domain/atomic-pace.js';

const KNOWN: Pace = { ...firstPace(REDIS_LIMITS), slowness: 1 };
const ROOM = {
  limits: REDIS_LIMITS,
  pace: KNOWN,
  rules: { maxKeysPerSecond: null },
  bytesPerKey: 1000,
  timeMs: 60_000,
};

describe('keysOfNextTask', () => {
  it('is a gigabyte at the most, where there is time, and less before anything is known', () => {
    expect(keysOfNextTask(ROOM)).toBe(Math.floor(2 ** 30 / 1000));
    expect(keysOfNextTask({ ...ROOM, pace: firstPace(REDIS_LIMITS) })).toBe(Math.floor(2 ** 27 / 1000));
  });

  it('ends in time as far as can be said, and is one key where that is over', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1000, max: 120_000 }),
        fc.integer({ min: 1, max: 10_000_000 }),
        fc.double({ min: 0.1, max: 100, noNaN: true }),
        fc.constantFrom(REDIS_LIMITS, VALKEY_LIMITS),
        (timeMs, bytesPerKey, slowness, limits) => {
          const keys = keysOfNextTask({
            ...ROOM,
            limits,
            pace: { ...firstPace(limits), slowness },
            timeMs,
            bytesPerKey,
          });
          expect(Number.isInteger(keys) && keys >= 1 && keys <= limits.keys).toBe(true);
          expect(keys === 1 || keys * bytesPerKey <= limits.bytes).toBe(true);
          const data = taskMs({ keys, bytes: keys * bytesPerKey }) - taskMs({ keys: 0, bytes: 0 });
          expect(keys === 1 || data * slowness <= timeMs).toBe(true);
        },
      ),
    );
  });

  it('holds no more than a second of the allowed rate', () => {
    expect(keysOfNextTask({ ...ROOM, rules: { maxKeysPerSecond: 700 } })).toBe(700);
  });
});

describe('nextPace', () => {
  const seen = { keys: 1000, bytes: 1_000_000, tookMs: 300, p99Ms: 80 };

  it('learns how slow it goes here', () => {
    const first = nextPace({ pace: firstPace(REDIS_LIMITS), limits: REDIS_LIMITS, seen, targetP99Ms: null });
    expect(first.slowness).toBeCloseTo(300 / taskMs(seen));
    const next = nextPace({ pace: first, limits: REDIS_LIMITS, seen: { ...seen, tookMs: 3000 }, targetP99Ms: null });
    expect(next.slowness).toBeGreaterThan(first.slowness ?? 0);
    expect(next).toMatchObject({ keys: REDIS_LIMITS.keys, restMs: 0 });
  });

  it('makes smaller tasks where keys make clients wait, down to a floor, and then rests', () => {
    let pace = firstPace(VALKEY_LIMITS);
    const halved = nextPace({ pace, limits: VALKEY_LIMITS, seen, targetP99Ms: 20 });
    expect(halved).toMatchObject({ keys: VALKEY_LIMITS.keys / 2, restMs: 0 });
    for (let i = 0; i < 30; i += 1) pace = nextPace({ pace, limits: VALKEY_LIMITS, seen, targetP99Ms: 20 });
    expect(pace.keys).toBeGreaterThan(0);
    expect(pace.restMs).toBe(5000);
  });

  it('rests longer where each task costs a fork', () => {
    const pace = nextPace({ pace: KNOWN, limits: REDIS_LIMITS, seen, targetP99Ms: 20 });
    expect(pace).toMatchObject({ keys: REDIS_LIMITS.keys, restMs: 100 });
    expect(nextPace({ pace, limits: REDIS_LIMITS, seen, targetP99Ms: 20 }).restMs).toBe(200);
  });

  it('comes back to the old measure where clients see less than half of what they may', () => {
    let pace: Pace = { keys: 500, restMs: 5000, slowness: 1 };
    for (let i = 0; i < 40; i += 1) pace = nextPace({ pace, limits: VALKEY_LIMITS, seen, targetP99Ms: 200 });
    expect(pace).toMatchObject({ keys: VALKEY_LIMITS.keys, restMs: 0 });
  });

  it('stays where nothing was seen, and between the two', () => {
    for (const p99Ms of [null, 80])
      expect(nextPace({ pace: KNOWN, limits: REDIS_LIMITS, seen: { ...seen, p99Ms }, targetP99Ms: 100 })).toMatchObject(
        {
          keys: KNOWN.keys,
          restMs: 0,
        },
      );
  });
});
