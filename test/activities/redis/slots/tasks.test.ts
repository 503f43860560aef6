import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AtomicTask, isUnderWay, parseRedisTasks, parseValkeyTasks } from '../../../../domain/atomic-tasks.js';
import { type AnsweringNode, selfOf } from '../../../../domain/observation.js';
import { compactRanges } from '../../../../domain/slots.js';
import { requireEngine } from '../../../../lab/engines.js';
import { HalfCluster, type Shard } from '../../../support/half-states.js';
import { until } from '../../../support/until.js';
import { expectNoProblems } from '../../../support/no-problems.js';

/** Each key of a snapshot takes so long, in microseconds: a task of fifteen keys is under way for some seconds. */
const SLOW_US = 300_000;

/** Moves of the engine's own that nobody of ours has begun, or whose driver is dead. */
describe.each(['redis-8.6', 'valkey-9.1'] as const)('tasks of %s that move slots', { timeout: 240_000 }, (name) => {
  const isRedis = name.startsWith('redis');
  let cluster: HalfCluster;

  beforeAll(async () => {
    cluster = await HalfCluster.start(await requireEngine(name));
  }, 300_000);
  afterAll(() => cluster?.stop());
  afterEach(async () => {
    for (const node of cluster.names) await cluster.tell(node, ['CONFIG', 'SET', 'rdb-key-save-delay', 0]);
    await cluster.mendAll();
    expectNoProblems(await cluster.problems());
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
    const isOwner = (node: AnsweringNode) => selfOf(node)?.slots.some(([from, to]) => from <= slot && slot <= to);
    return (await cluster.look()).find(isOwner)?.name;
  }

  it('come to their end, which is waited for where the engine tells of them: that is the way forward', async () => {
    const { source, target, slots } = await begun();
    // Valkey says nothing of a task to whoever may not begin one; it ends by itself, well or not, and is in nobody's way.
    expect(await cluster.errors()).toEqual(isRedis ? ['OpenSlotTask'] : []);
    const { repairs, stuck } = await cluster.plan();
    expect(stuck).toEqual([]);
    expect([...new Set(repairs.map(({ repair }) => repair))]).toEqual(isRedis ? ['settle-tasks'] : []);
    if (isRedis) await cluster.repair(repairs);
    else await until('it is over', async () => !(await tasksOf(source.master)).some(isUnderWay), 30_000);
    expect((await tasksOf(source.master)).filter(isUnderWay)).toEqual([]);
    await until('the target owns them', async () => (await ownerOf(slots[0] ?? 0)) === target.master, 10_000);
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

  it('that fail with their target leave the slots with their owner; what it keeps of them is cleared', async () => {
    const { source, target, slots } = await begun();
    await cluster.kill(target);
    await until('it has failed', async () => !(await tasksOf(source.master)).some(isUnderWay), 30_000);
    expect(await cluster.plan()).toEqual({ repairs: [], stuck: [] });
    expect(await ownerOf(slots[2] ?? 0)).toBe(source.master);
    if (isRedis) {
      // It shows in no number that may be read by whoever only looks, and keeps SETSLOT away from these slots.
      const stable = () => cluster.setSlots(source.master, slots, 'STABLE');
      await expect(stable()).rejects.toThrow(/active atomic slot migration/);
      await cluster.repair([{ repair: 'settle-tasks', ranges: [], owner: source.master, why: 'a test' }]);
      await stable();
    }
    await cluster.revive(target);
  });
});
