import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bigKeyPlan } from '../../domain/move-big-keys.js';
import { cutGroup } from '../../domain/move-groups.js';
import { afterLoad, boundsOf, keysPerSecond, type LoadSpeed, UNKNOWN_SPEED } from '../../domain/move-loads.js';
import {
  FIRST_LEVEL,
  FULL_LEVEL,
  isLevelDue,
  keysOfShare,
  MOST_SHARES,
  nextLevel,
  nextShares,
  paceOf,
  restAfter,
} from '../../domain/move-throttle.js';

const level = fc.double({ min: 0.01, max: 1, noNaN: true });
const ms = fc.double({ min: 0.01, max: 10_000, noNaN: true });

describe('nextLevel', () => {
  it('stays between almost nothing and full', () => {
    fc.assert(
      fc.property(level, fc.option(ms), fc.option(ms), (now, p99Ms, targetP99Ms) => {
        const next = nextLevel({ level: now, p99Ms, targetP99Ms });
        expect(next).toBeGreaterThanOrEqual(0.01);
        expect(next).toBeLessThanOrEqual(FULL_LEVEL);
      }),
    );
  });

  it('never rises while the target is missed, and falls the more, the more it is missed', () => {
    fc.assert(
      fc.property(level, ms, ms, ms, (now, targetP99Ms, a, b) => {
        const [better, worse] = [targetP99Ms + Math.min(a, b), targetP99Ms + Math.max(a, b)];
        const next = (p99Ms: number) => nextLevel({ level: now, p99Ms, targetP99Ms });
        expect(next(better)).toBeLessThanOrEqual(now);
        expect(next(worse)).toBeLessThanOrEqual(next(better));
      }),
    );
  });

  it('comes from anywhere to full speed in some steps where clients see nothing of it, and settles where they see too much', () => {
    fc.assert(
      fc.property(level, fc.double({ min: 1.5, max: 50, noNaN: true }), (first, fullP99Ms) => {
        let calm = first;
        for (let i = 0; i < 60; i += 1) calm = nextLevel({ level: calm, p99Ms: 0.1, targetP99Ms: 1 });
        expect(calm).toBe(FULL_LEVEL);
        // Clients wait in proportion to the level: it comes to where they wait for about the target, and stays there.
        let busy = first;
        for (let i = 0; i < 60; i += 1) busy = nextLevel({ level: busy, p99Ms: fullP99Ms * busy, targetP99Ms: 1 });
        const seen = [0, 0, 0, 0, 0, 0].map(() => {
          busy = nextLevel({ level: busy, p99Ms: fullP99Ms * busy, targetP99Ms: 1 });
          return fullP99Ms * busy;
        });
        expect(Math.max(...seen)).toBeLessThan(1.25);
        expect(Math.min(...seen)).toBeGreaterThan(0.5);
      }),
    );
  });

  it('is full without a target, and as it was where nothing was seen', () => {
    expect(nextLevel({ level: 0.2, p99Ms: 900, targetP99Ms: null })).toBe(FULL_LEVEL);
    expect(nextLevel({ level: FIRST_LEVEL, p99Ms: null, targetP99Ms: 5 })).toBe(FIRST_LEVEL);
  });
});

describe('isLevelDue', () => {
  it('lets clients that wait more than twice as long as they are to not wait for more answers', () => {
    expect(isLevelDue({ keptMs: 100, p99Ms: 2.1, targetP99Ms: 1 })).toBe(true);
    expect(isLevelDue({ keptMs: 100, p99Ms: 1.9, targetP99Ms: 1 })).toBe(false);
    expect(isLevelDue({ keptMs: 100, p99Ms: null, targetP99Ms: 1 })).toBe(false);
    for (const p99Ms of [null, 0.1, 1.9, 2.1]) {
      expect(isLevelDue({ keptMs: 400, p99Ms, targetP99Ms: 1 })).toBe(true);
    }
  });
});

describe('paceOf', () => {
  it('holds the source for a part of the time that is the level, by smaller loads first', () => {
    expect(paceOf(1)).toEqual({ loadMs: 4, duty: 1 });
    expect(paceOf(0.5)).toEqual({ loadMs: 2, duty: 1 });
    fc.assert(
      fc.property(level, ms, (at, tookMs) => {
        const pace = paceOf(at);
        expect(pace.loadMs).toBeGreaterThanOrEqual(0.5);
        expect(pace.duty).toBeGreaterThan(0);
        expect(pace.duty).toBeLessThanOrEqual(1);
        expect(tookMs / (tookMs + restAfter(pace, tookMs))).toBeCloseTo(pace.duty, 5);
      }),
    );
  });
});

/** A source that needs so long for a key and for a byte. */
interface Source {
  readonly msPerKey: number;
  readonly msPerByte: number;
  readonly bytesPerKey: number;
}

const source: fc.Arbitrary<Source> = fc.record({
  msPerKey: fc.double({ min: 0.005, max: 1, noNaN: true }),
  msPerByte: fc.double({ min: 1e-7, max: 1e-5, noNaN: true }),
  bytesPerKey: fc.integer({ min: 40, max: 100_000 }),
});

describe('the size of loads', () => {
  const loadOf = ({ msPerKey, msPerByte, bytesPerKey }: Source, speed: LoadSpeed) => {
    const { keys } = boundsOf(speed, { loadMs: 4, bytesPerKey });
    return { keys, bytes: keys * bytesPerKey, tookMs: keys * (msPerKey + bytesPerKey * msPerByte) };
  };

  it('comes to what takes the wanted time, or as near to it as the most keys and bytes allow', () => {
    fc.assert(
      fc.property(source, (one) => {
        let speed = UNKNOWN_SPEED;
        for (let i = 0; i < 40; i += 1) speed = afterLoad(speed, loadOf(one, speed));
        const { keys, tookMs } = loadOf(one, speed);
        const alone = one.msPerKey + one.bytesPerKey * one.msPerByte;
        expect(tookMs).toBeLessThan(Math.max(4.5, alone * 1.5));
        expect(keys === 1000 || tookMs + alone * 2 > 3.5).toBe(true);
        const perSecond = keysPerSecond(speed, one.bytesPerKey) * alone;
        expect(perSecond > 900 && perSecond < 1100).toBe(true);
      }),
    );
  });

  it('at the most doubles from one to the next', () => {
    fc.assert(
      fc.property(source, source, (one, other) => {
        let speed = UNKNOWN_SPEED;
        let before = 16;
        for (let i = 0; i < 20; i += 1) {
          const load = loadOf(i < 10 ? one : other, speed);
          expect(load.keys).toBeLessThanOrEqual(Math.max(16, before * 2));
          before = load.keys;
          speed = afterLoad(speed, load);
        }
      }),
    );
  });

  it('begins with few keys where those of the node are large', () => {
    expect(boundsOf(UNKNOWN_SPEED, { loadMs: 4, bytesPerKey: 100 }).keys).toBe(15);
    expect(boundsOf(UNKNOWN_SPEED, { loadMs: 4, bytesPerKey: 10_000_000 }).keys).toBe(1);
  });
});

describe('cutGroup', () => {
  const slots = fc
    .array(fc.nat(20_000), { maxLength: 200 })
    .map((counts) => counts.map((keys, slot) => ({ slot, keys })));
  const first = fc.constantFrom('speed', 'clients');

  it('takes the first ones, one at least, and no more than are done in about half of a second, or in a fortieth where clients come first', () => {
    fc.assert(
      fc.property(slots, fc.integer({ min: 10, max: 500_000 }), first, (all, perSecond, whose) => {
        const group = cutGroup(all, { first: whose, keysPerSecond: perSecond });
        expect(group).toEqual(all.slice(0, group.length));
        expect(group.length).toBeLessThanOrEqual(64);
        if (all.length > 0) expect(group.length).toBeGreaterThan(0);
        const keys = group.reduce((sum, one) => sum + one.keys, 0);
        expect(group.length <= 1 || keys <= Math.min(8000, perSecond * (whose === 'speed' ? 0.5 : 0.025))).toBe(true);
      }),
    );
  });
});

describe('bigKeyPlan', () => {
  it('never lets a node be silent for longer than half of what its peers wait', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 40 }),
        fc.integer({ min: 50, max: 60_000 }),
        (bytes, nodeTimeoutMs) => {
          const plan = bigKeyPlan({ bytes, nodeTimeoutMs });
          expect(plan.migrateMs).toBeGreaterThanOrEqual(plan.holdsMs);
          expect(plan.migrateMs).toBeLessThanOrEqual((plan.nodeTimeoutMs ?? nodeTimeoutMs) / 2);
          expect(plan.nodeTimeoutMs ?? nodeTimeoutMs).toBeGreaterThanOrEqual(nodeTimeoutMs);
        },
      ),
    );
  });

  it('leaves the node timeout as it is for what is quickly done', () => {
    expect(bigKeyPlan({ bytes: 64 * 2 ** 20, nodeTimeoutMs: 15_000 }).nodeTimeoutMs).toBeNull();
    expect(bigKeyPlan({ bytes: 512 * 2 ** 20, nodeTimeoutMs: 15_000 }).nodeTimeoutMs).toBeGreaterThan(60_000);
  });
});

describe('a limit of keys a second', () => {
  it('is shared out in small loads, as large as redis-cli sends where they can be', () => {
    expect(keysOfShare(30_000, MOST_SHARES)).toBe(15);
    expect(keysOfShare(10_000, MOST_SHARES)).toBe(10);
    expect(keysOfShare(1000, MOST_SHARES)).toBe(4);
    expect(keysOfShare(1, MOST_SHARES)).toBe(1);
  });

  it('has larger ones, to the 250th part, where it is not reached with small ones, and small ones again where it is', () => {
    let shares = MOST_SHARES;
    for (let n = 0; n < 100; n += 1) shares = nextShares(shares, 'behind');
    expect(keysOfShare(30_000, shares)).toBe(120);
    for (let n = 0; n < 500; n += 1) shares = nextShares(shares, 'in time');
    expect(keysOfShare(30_000, shares)).toBe(15);
  });
});
