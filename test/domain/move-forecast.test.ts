import { describe, expect, it } from 'vitest';
import type { ApplyWorld } from '../../domain/apply-world.js';
import { readsPayloadsOf } from '../../domain/capabilities.js';
import {
  contentRefusals,
  forecastMoves,
  forecastOf,
  type MovesQuestion,
  versionRefusals,
} from '../../domain/move-forecast.js';
import type { MasterFacts, SlotFacts } from '../../domain/move-facts.js';
import { place } from '../../domain/placement.js';
import { planApply } from '../../domain/plan-apply.js';
import type { SlotMove } from '../../domain/slot-moves.js';
import { ModelCluster } from '../support/cluster-model.js';
import { nameOf, soundObservation, withNode } from '../support/observations.js';
import { specOf } from '../support/spec.js';

const MIB = 2 ** 20;
const MOVES: SlotMove[] = [{ ranges: [[0, 99]], from: nameOf(1), to: nameOf(2) }];

function factsOf(n: number, change: Partial<MasterFacts> = {}): MasterFacts {
  return {
    node: nameOf(n),
    keysPerSlot: Array.from({ length: 200 }, (_, slot) => [slot + (n - 1) * 5461, 1000]),
    bytesPerSlot: null,
    bytesPerKey: 1024,
    usedMemoryBytes: 400 * MIB,
    maxmemoryBytes: 1024 * MIB,
    largestKeys: [],
    ...change,
  };
}

const FACTS: SlotFacts = { masters: [1, 2, 3].map((n) => factsOf(n)) };

function question(change: Partial<MovesQuestion> = {}): MovesQuestion {
  return { spec: specOf(), observation: soundObservation(), facts: FACTS, moves: MOVES, ...change };
}

function withVersions(version: string): MovesQuestion['observation'] {
  return [1, 2, 3].reduce((seen, n) => withNode(seen, n, { version }), soundObservation());
}

describe('the forecast of a move', () => {
  it('counts slots, keys and bytes, and says what the targets use before and after', () => {
    expect(forecastMoves(question())).toEqual({
      ...{ mover: 'keys', slots: 100, keys: 100_000, bytes: 100_000 * 1024, largestKeys: [] },
      // 102 MB at 50 MB/s.
      seconds: 3,
      targets: [
        {
          ...{ node: nameOf(2), usedBytes: 400 * MIB, maxmemoryBytes: 1024 * MIB },
          afterBytes: 400 * MIB + 100_000 * 1024,
        },
      ],
    });
  });

  it('takes what the server counts itself for the bytes', () => {
    const counted = factsOf(1, { bytesPerSlot: Array.from({ length: 200 }, (_, slot) => [slot, 7]) });
    expect(forecastMoves(question({ facts: { masters: [counted] } })).bytes).toBe(700);
  });

  it('is quicker where both ends move slots in one go, unless the spec wants it otherwise', () => {
    const observation = withVersions('8.6.3');
    expect(forecastMoves(question({ observation }))).toMatchObject({ mover: 'atomic', seconds: 1 });
    const spec = specOf({ moves: { ...specOf().moves, mover: 'keys' } });
    expect(forecastMoves(question({ observation, spec }))).toMatchObject({ mover: 'keys', seconds: 3 });
  });

  it('is as long as what the busiest node has to do, and as the cap allows', () => {
    const moves = [...MOVES, { ranges: [[5461, 5560]] as const, from: nameOf(2), to: nameOf(3) }];
    expect(forecastMoves(question({ moves })).seconds).toBe(5);
    const capped = specOf({ moves: { ...specOf().moves, maxKeysPerSecond: 1000 } });
    expect(forecastMoves(question({ spec: capped })).seconds).toBe(100);
  });

  it('names the largest keys of the slots that move, the largest first', () => {
    const key = (slot: number, bytes: number) => ({ node: nameOf(1), slot, key: `k${slot}`, bytes });
    const facts = { masters: [factsOf(1, { largestKeys: [key(3, 10), key(5, 90), key(150, 1000)] })] };
    expect(forecastMoves(question({ facts })).largestKeys.map(({ key: name }) => name)).toEqual(['k5', 'k3']);
  });

  it('is none where nothing moves, or nobody was asked', () => {
    const step = { kind: 'moveSlots', id: 'moveSlots', moves: MOVES, why: '' } as const;
    const world = { spec: specOf(), observation: soundObservation() };
    expect(forecastOf({ ...world, slotFacts: FACTS }, [])).toBeUndefined();
    expect(forecastOf(world, [step])).toBeUndefined();
    expect(forecastOf({ ...world, slotFacts: FACTS }, [step])).toMatchObject({ slots: 100 });
  });
});

describe('a move is refused, with numbers', () => {
  it('where a target would be filled over three quarters of its maxmemory', () => {
    const facts = { masters: [factsOf(1), factsOf(2, { usedMemoryBytes: 700 * MIB })] };
    expect(contentRefusals(question({ facts }))).toEqual([
      {
        node: nameOf(2),
        what: 'h2:6379 uses 700 MiB and would get 98 MiB more, which is over 75 % of its maxmemory (1024 MiB): it would soon refuse writes.',
        next: 'Raise redis.maxmemory, add masters, or move less to it.',
      },
    ]);
    const cache = specOf({ redis: { ...specOf().redis, maxmemoryPolicy: 'allkeys-lru' } });
    expect(contentRefusals(question({ facts, spec: cache }))).toEqual([]);
  });

  it('where a key is larger than the spec lets move', () => {
    const big = { node: nameOf(1), slot: 4, key: 'a:"b"\n', bytes: 80 * MIB };
    const facts = { masters: [factsOf(1, { largestKeys: [big] }), factsOf(2)] };
    expect(contentRefusals(question({ facts }))).toEqual([]);
    const spec = specOf({ moves: { ...specOf().moves, bigKeys: 'refuse' } });
    expect(contentRefusals(question({ facts, spec }))[0]?.what).toMatch(
      /^Key "a:\\"b\\"\\n" of slot 4 on h1:6379 has 80 MiB, and moves.bigKeys refuses those from 64 MiB on/,
    );
  });

  it('where the target is older than what the source writes', () => {
    const observation = withNode(soundObservation(), 1, { version: '8.6.3' });
    expect(versionRefusals(question({ observation }))[0]?.what).toBe(
      'h2:6379 runs redis 7.0.15 and cannot read the keys that h1:6379 sends (redis 8.6.3).',
    );
    const back = [{ ranges: [[5461, 5461]] as const, from: nameOf(2), to: nameOf(1) }];
    expect(versionRefusals(question({ observation, moves: back }))).toEqual([]);
  });

  it('where one is older, by what was measured of each pair', () => {
    const servers = [
      { engine: 'redis', version: '7.0.15' },
      { engine: 'redis', version: '8.0.2' },
      { engine: 'redis', version: '8.6.3' },
      { engine: 'valkey', version: '8.0.1' },
      { engine: 'valkey', version: '9.1.2' },
    ] as const;
    const readers = servers.map((source) =>
      servers.map((target) => (readsPayloadsOf(target, source) ? 'x' : '-')).join(''),
    );
    expect(readers).toEqual(['xxxxx', '-xx--', '--x--', '-xxxx', '----x']);
  });
});

describe('what the masters say of their slots', () => {
  const cluster = new ModelCluster(specOf(), place(specOf()));
  const heavy = factsOf(1, {
    bytesPerSlot: [[5, 900 * MIB]],
    keysPerSlot: [
      [5, 1],
      [6, 1],
    ],
  });
  const slotFacts = { masters: [heavy, factsOf(2, { keysPerSlot: [] }), factsOf(3, { keysPerSlot: [] })] };
  const world = (change: Partial<ApplyWorld>) => cluster.world(specOf(), { slotFacts, ...change });
  const balance = { by: 'memory', thresholdPercent: 5, weights: {} } as const;

  it('decides shares by memory, once: what was shown is what runs', () => {
    const shown = planApply(world({ goal: { kind: 'balance', balance } }));
    const moves = shown.steps.flatMap((step) => (step.kind === 'moveSlots' ? step.moves : []));
    expect(moves).toEqual([{ ranges: [[5, 5]], from: nameOf(1), to: nameOf(2) }]);
    const changed = { masters: [factsOf(1, { keysPerSlot: [[7, 1]], bytesPerKey: 9 }), factsOf(2), factsOf(3)] };
    const goal = { kind: 'balance', balance, moves } as const;
    expect(planApply(world({ slotFacts: changed, goal })).steps).toEqual(shown.steps);
  });

  it('is in no step, so that the plan stays the same while clients write', () => {
    const goal = { kind: 'slots', moves: [{ ranges: [[0, 9]], from: nameOf(1), to: nameOf(3) }] } as const;
    const { steps } = planApply(world({ goal }));
    expect(steps).toEqual(planApply(cluster.world(specOf(), { goal })).steps);
  });

  it('forbids a plan that moves too much, and none that moves nothing', () => {
    const goal = { kind: 'slots', moves: [{ ranges: [[5, 5]], from: nameOf(1), to: nameOf(3) }] } as const;
    expect(planApply(world({ goal })).refusals[0]?.what).toMatch(/^h3:6379 uses 400 MiB and would get 900 MiB more/);
    expect(planApply(world({}))).toMatchObject({ steps: [], refusals: [] });
  });
});
