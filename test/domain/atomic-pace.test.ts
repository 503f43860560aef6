import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FIRST_PACE,
  keysOfNextTask,
  limitsOf,
  nextPace,
  type Pace,
  REDIS_LIMITS,
  taskMs,
  VALKEY_LIMITS,
} from '../../domain/atomic-pace.js';

const GIB = 2 ** 30;
const SOURCE = { usedBytes: 4 * GIB, bytesPerKey: 1000, forkMs: 0 };
const KNOWN: Pace = { ...FIRST_PACE, slowness: 1 };
const ROOM = {
  limits: REDIS_LIMITS,
  source: SOURCE,
  pace: KNOWN,
  rules: { maxKeysPerSecond: null },
  timeMs: 60_000,
};

describe('limitsOf', () => {
  it('lets tasks grow with the time that the node forks for each of them', () => {
    expect(limitsOf(VALKEY_LIMITS, { ...SOURCE, usedBytes: GIB }).keys).toBe(VALKEY_LIMITS.keys);
    expect(limitsOf(VALKEY_LIMITS, { ...SOURCE, usedBytes: 50 * GIB }).keys).toBeGreaterThan(1_000_000);
    expect(limitsOf(REDIS_LIMITS, { ...SOURCE, usedBytes: 64 * GIB })).toMatchObject({
      bytes: 4 * GIB,
      leastBytes: GIB,
    });
    expect(limitsOf(REDIS_LIMITS, SOURCE)).toMatchObject({ bytes: GIB, leastBytes: GIB / 16 });
  });

  it('believes a node that forks slowly, but not any number', () => {
    const forked = (forkMs: number) => limitsOf(VALKEY_LIMITS, { ...SOURCE, forkMs }).keys;
    expect(forked(120)).toBeGreaterThan(forked(80));
    expect(forked(100_000)).toBe(forked(240));
  });
});

describe('keysOfNextTask', () => {
  it('is a gigabyte at the most, where there is time, and less before anything is known', () => {
    expect(keysOfNextTask(ROOM)).toBe(Math.floor(GIB / 1000));
    expect(keysOfNextTask({ ...ROOM, pace: FIRST_PACE })).toBe(Math.floor(GIB / 8 / 1000));
  });

  it('ends in time as far as can be said, but for the least that is worth a fork, and is one key where that is over', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1000, max: 120_000 }),
        fc.integer({ min: 1, max: 10_000_000 }),
        fc.integer({ min: 0, max: 100 }),
        fc.double({ min: 0.1, max: 100, noNaN: true }),
        fc.constantFrom(REDIS_LIMITS, VALKEY_LIMITS),
        (timeMs, bytesPerKey, gibs, slowness, limits) => {
          const source = { usedBytes: gibs * GIB, bytesPerKey, forkMs: 0 };
          const keys = keysOfNextTask({ ...ROOM, limits, source, pace: { ...FIRST_PACE, slowness }, timeMs });
          const most = limitsOf(limits, source);
          expect(Number.isInteger(keys) && keys >= 1 && keys <= most.keys).toBe(true);
          if (keys === 1 || keys * bytesPerKey <= most.leastBytes) return;
          expect(keys * bytesPerKey).toBeLessThanOrEqual(most.bytes);
          const data = taskMs({ keys, bytes: keys * bytesPerKey }) - taskMs({ keys: 0, bytes: 0 });
          expect(data * slowness).toBeLessThanOrEqual(timeMs);
        },
      ),
    );
  });

  it('holds no more than a second of the allowed rate, and than its share', () => {
    expect(keysOfNextTask({ ...ROOM, rules: { maxKeysPerSecond: 700 } })).toBe(700);
    const quarter = keysOfNextTask({ ...ROOM, limits: VALKEY_LIMITS, pace: { ...KNOWN, share: 0.25 } });
    expect(quarter).toBe(Math.floor(limitsOf(VALKEY_LIMITS, SOURCE).keys / 4));
  });
});

describe('nextPace', () => {
  const seen = { keys: 1000, bytes: 1_000_000, tookMs: 300, p99Ms: 80 };

  it('learns how slow it goes here', () => {
    const first = nextPace({ pace: FIRST_PACE, limits: REDIS_LIMITS, seen, targetP99Ms: null });
    expect(first.slowness).toBeCloseTo(300 / taskMs(seen));
    const next = nextPace({ pace: first, limits: REDIS_LIMITS, seen: { ...seen, tookMs: 3000 }, targetP99Ms: null });
    expect(next.slowness).toBeGreaterThan(first.slowness ?? 0);
    expect(next).toMatchObject({ share: 1, restMs: 0 });
  });

  it('makes smaller tasks where keys make clients wait, down to a floor, and then rests', () => {
    let pace = nextPace({ pace: FIRST_PACE, limits: VALKEY_LIMITS, seen, targetP99Ms: 20 });
    expect(pace).toMatchObject({ share: 0.5, restMs: 0 });
    for (let i = 0; i < 30; i += 1) pace = nextPace({ pace, limits: VALKEY_LIMITS, seen, targetP99Ms: 20 });
    expect(pace.share).toBeGreaterThan(0);
    expect(pace.restMs).toBe(5000);
  });

  it('rests longer where each task costs a fork', () => {
    const pace = nextPace({ pace: KNOWN, limits: REDIS_LIMITS, seen, targetP99Ms: 20 });
    expect(pace).toMatchObject({ share: 1, restMs: 100 });
    expect(nextPace({ pace, limits: REDIS_LIMITS, seen, targetP99Ms: 20 }).restMs).toBe(200);
  });

  it('comes back to the old measure where clients see less than half of what they may', () => {
    let pace: Pace = { share: 1 / 128, restMs: 5000, slowness: 1 };
    for (let i = 0; i < 40; i += 1) pace = nextPace({ pace, limits: VALKEY_LIMITS, seen, targetP99Ms: 200 });
    expect(pace).toMatchObject({ share: 1, restMs: 0 });
  });

  it('stays where nothing was seen, and between the two', () => {
    for (const p99Ms of [null, 80])
      expect(nextPace({ pace: KNOWN, limits: REDIS_LIMITS, seen: { ...seen, p99Ms }, targetP99Ms: 100 })).toMatchObject(
        { share: 1, restMs: 0 },
      );
  });
});
