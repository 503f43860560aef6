import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selfOf } from '../../../../domain/observation.js';
import { requireEngine } from '../../../../lab/engines.js';
import { HalfCluster, type Shard } from '../../../support/half-states.js';
import { expectNoProblems } from '../../../support/no-problems.js';

describe('a source that is killed while its half states are mended', () => {
  let cluster: HalfCluster;
  beforeAll(async () => {
    cluster = await HalfCluster.start(await requireEngine('redis-7.0'));
  }, 120_000);
  afterAll(() => cluster?.stop());

  /** How often its replica, a master by then, did not know where slots were going, and how often it did. */
  async function watch({ replica }: Shard, { master: target }: Shard, signal: AbortSignal) {
    const seen = { blind: 0, knowing: 0 };
    while (!signal.aborted) {
      const nodes = await cluster.look();
      const [heir, taker] = [replica, target].map((name) => {
        const node = nodes.find((one) => one.name === name);
        return node === undefined ? undefined : selfOf(node);
      });
      if (heir?.masterId === null && (taker?.importing.length ?? 0) > 0) {
        seen[heir.migrating.length > 0 ? 'knowing' : 'blind'] += 1;
      }
      await sleep(5);
    }
    return seen;
  }

  it('has a replica that knows at once where they were going: for its clients the keys that had gone are there', {
    timeout: 120_000,
  }, async () => {
    const [source, target] = await cluster.shards();
    if (source === undefined || target === undefined) throw new Error('there are no two shards');
    const slots = await cluster.slotsOf(source, 3);
    await cluster.fill(source.master, slots);
    await cluster.setSlots(target.master, slots, 'IMPORTING', source.id);
    await cluster.setSlots(source.master, slots, 'MIGRATING', target.id);
    await cluster.migrate(source.master, target.master, slots, 3);
    await cluster.replicated();
    const { repairs } = await cluster.plan();
    const over = new AbortController();
    const watching = watch(source, target, over.signal);
    await cluster.nodes.servers.get(source.master)?.kill();
    expect(await cluster.repair(repairs).finally(() => over.abort())).toHaveLength(1);
    const { blind, knowing } = await watching;
    expect(knowing).toBeGreaterThan(0);
    expect(blind, `${knowing} times it knew`).toBeLessThanOrEqual(5);
    expect(await cluster.claims(target.master)).toEqual(expect.arrayContaining(slots));
    expectNoProblems(await cluster.keyProblems());
  });
});
