import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatherSlotFacts } from '../../../activities/redis/move/facts.js';
import { observe } from '../../../activities/redis/observe.js';
import { keySlot } from '../../../domain/key-slot.js';
import { contentsOf } from '../../../domain/move-facts.js';
import { requireEngine } from '../../../lab/engines.js';
import { fill, type MovingCluster, startMovingCluster } from '../../support/moving-cluster.js';

const KEYS = 20_000;
const BIG = 'big:1';

describe.each([
  { engine: 'redis-7.0', args: [], counted: false },
  { engine: 'redis-8.6', args: ['--cluster-slot-stats-enabled', 'yes'], counted: true },
  { engine: 'valkey-8.1', args: ['--cluster-slot-stats-enabled', 'yes'], counted: false },
] as const)('what masters of $engine say of their slots', ({ engine, args, counted }) => {
  let cluster: MovingCluster;

  beforeAll(async () => {
    cluster = await startMovingCluster({ engine: await requireEngine(engine), args });
    await fill(cluster, KEYS);
    const owner = (await cluster.owners())[keySlot(BIG)]?.[0] ?? '';
    await cluster.pipeline(owner, [['SET', BIG, 'x'.repeat(2_000_000)]]);
  }, 120_000);
  afterAll(() => cluster?.stop());

  const gather = async () =>
    gatherSlotFacts(
      { spec: cluster.spec, observation: await observe(cluster), ranges: [[keySlot(BIG), keySlot(BIG) + 5]] },
      cluster,
    );

  it('is every key of every slot once, the memory, and the largest keys of those that are to be moved', async () => {
    const facts = await gather();
    expect(facts.masters.map(({ node }) => node)).toEqual(cluster.masters);
    const of = contentsOf(facts);
    const all = Array.from({ length: 16_384 }, (_, slot) => of(slot));
    expect(all.reduce((sum, { keys }) => sum + keys, 0)).toBe(KEYS + 1);
    for (const { bytesPerKey, usedMemoryBytes, maxmemoryBytes } of facts.masters) {
      expect(bytesPerKey).toBeGreaterThan(50);
      expect(bytesPerKey * KEYS).toBeLessThan(usedMemoryBytes * 3);
      expect(maxmemoryBytes).toBe(cluster.spec.redis.maxmemoryBytes);
    }
    const largest = facts.masters.flatMap(({ largestKeys }) => largestKeys).sort((a, b) => b.bytes - a.bytes)[0];
    expect(largest).toMatchObject({ slot: keySlot(BIG), key: BIG });
    expect(largest?.bytes).toBeGreaterThan(2_000_000);
  });

  it(`is ${counted ? 'the memory of each slot, as the server counts it' : 'no memory of single slots'}`, async () => {
    const facts = await gather();
    expect(facts.masters.every(({ bytesPerSlot }) => (bytesPerSlot !== null) === counted)).toBe(true);
    const { bytes } = contentsOf(facts)(keySlot(BIG));
    expect(bytes > 2_000_000).toBe(counted);
  });
});
