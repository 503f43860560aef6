import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AtomicTask, isUnderWay, parseRedisTasks, parseValkeyTasks } from '../../../../domain/atomic-tasks.js';
import { compactRanges } from '../../../../domain/slots.js';
import { fetchEngines, requireEngine } from '../../../../lab/engines.js';
import { HalfCluster, type Shard } from '../../../support/half-states.js';
import { until } from '../../../support/until.js';

/** Each key of a snapshot takes so long, in microseconds: a task of fifteen keys is under way for some seconds. */
const SLOW_US = 300_000;

/** Moves of the engine's own that nobody of ours has begun, or whose driver is dead. */
describe.each(['redis-8.6', 'valkey-9.1'] as const)('tasks of %s that move slots', { timeout: 240_000 }, (name) => {
  const isRedis = name.startsWith('redis');
  let cluster: HalfCluster;

  beforeAll(async () => {
    await fetchEngines();
    cluster = await HalfCluster.start(await requireEngine(name));
  }, 300_000);
  afterAll(() => cluster?.stop());
  afterEach(async () => {
    for (const node of cluster.names) await cluster.tell(node, ['CONFIG', 'SET', 'rdb-key-save-delay', 0]);
    await cluster.mendAll();
    expect(await cluster.problems()).toEqual([]);
  });

  interface Scene {
    readonly source: Shard;
    readonly target: Shard;
    readonly slots: readonly number[];
  }

  /** Somebody has asked for some slots to be moved, and the snapshot of them is on its way. */
  async function begun(): Promise<Scene> {
    const [source, target] = await cluster.shards();
    if (source === undefined || target === undefined) throw new Error('there are no two shards');
    const slots = await cluster.slotsOf(source, 3);
    await cluster.fill(source.master, slots);
    await cluster.tell(source.master, ['CONFIG', 'SET', 'rdb-key-save-delay', SLOW_US]);
    const words = compactRanges(slots.map((slot) => [slot, slot])).flat();
    if (isRedis) await cluster.tell(target.master, ['CLUSTER', 'MIGRATION', 'IMPORT', ...words]);
    else await cluster.tell(source.master, ['CLUSTER', 'MIGRATESLOTS', 'SLOTSRANGE', ...words, 'NODE', target.id]);
    await until('it is under way', async () => (await tasksOf(source.master)).some(isUnderWay), 20_000);
    return { source, target, slots };
  }

  async function tasksOf(node: string): Promise<AtomicTask[]> {
    const [answer] = await cluster.tell(
      node,
      isRedis ? ['CLUSTER', 'MIGRATION', 'STATUS', 'ALL'] : ['CLUSTER', 'GETSLOTMIGRATIONS'],
    );
    return isRedis ? parseRedisTasks(answer) : parseValkeyTasks(answer);
  }

  async function ownerOf(slot: number): Promise<string | undefined> {
    for (const shard of await cluster.shards()) {
      if ((await cluster.slotsOf(shard, 16_384)).includes(slot)) return shard.master;
    }
    return undefined;
  }

  it('are found while they run, and come to their end: that is the way forward', async () => {
    const { source, target, slots } = await begun();
    expect(await cluster.errors()).toEqual([]);
    const { repairs, stuck } = await cluster.plan();
    expect(stuck).toEqual([]);
    expect(repairs.map(({ repair }) => repair)).toContain('settle-tasks');
    await cluster.repair(repairs);
    expect((await tasksOf(source.master)).filter(isUnderWay)).toEqual([]);
    expect(await ownerOf(slots[0] ?? 0)).toBe(target.master);
    expect(await cluster.plan()).toEqual({ repairs: [], stuck: [] });
  });

  it('leave nothing behind that has to be mended where somebody cancels them', async () => {
    const { source, target, slots } = await begun();
    if (isRedis) await cluster.tell(target.master, ['CLUSTER', 'MIGRATION', 'CANCEL', 'ALL']);
    else await cluster.tell(source.master, ['CLUSTER', 'CANCELSLOTMIGRATIONS']);
    await until('it is over', async () => !(await tasksOf(source.master)).some(isUnderWay), 20_000);
    await cluster.mendAll();
    expect(await ownerOf(slots[1] ?? 0)).toBe(source.master);
  });

  it('that fail with their target do not stay: the slots are with their owner, and may be moved again', async () => {
    const { source, target, slots } = await begun();
    await cluster.kill(target);
    const { repairs, stuck } = await cluster.plan();
    expect(stuck).toEqual([]);
    await cluster.repair(repairs);
    expect(
      (await tasksOf(source.master)).filter((task) => isUnderWay(task) || (isRedis && task.state === 'failed')),
    ).toEqual([]);
    expect(await ownerOf(slots[2] ?? 0)).toBe(source.master);
    await cluster.revive(target);
    await cluster.mendAll();
  });
});
