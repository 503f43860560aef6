import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../../../activities/redis/connection.js';
import { type AtomicTask, isUnderWay, parseRedisTasks, parseValkeyTasks } from '../../../domain/atomic-tasks.js';
import type { SlotMove } from '../../../domain/slot-moves.js';
import { compactRanges, formatRanges, slotsIn } from '../../../domain/slots.js';
import type { MovesSpec } from '../../../domain/spec.js';
import { type EngineName, requireEngine } from '../../../lab/engines.js';
import { BusyClients } from '../../support/busy-clients.js';
import { failureOf } from '../../support/failure.js';
import {
  fill,
  keysByMaster,
  type Material,
  type MovingCluster,
  problemsOf,
  slotsOf,
  startMovingCluster,
  strayKeys,
} from '../../support/moving-cluster.js';
import { until } from '../../support/until.js';

const KEYS = 30_000;
/** Added to each key of a snapshot, where something is to come in between. */
const SLOW_US = 2000;

describe.each<{ engine: EngineName; asked: 'source' | 'target' }>([
  { engine: 'redis-8.6', asked: 'target' },
  { engine: 'valkey-9.1', asked: 'source' },
])('slots moved in one go by $engine', ({ engine, asked }) => {
  let cluster: MovingCluster;
  let material: Material;
  let [a, b, c]: [string, string, string] = ['', '', ''];
  const isRedis = engine.startsWith('redis');

  beforeAll(async () => {
    cluster = await startMovingCluster({
      replicasPerMaster: 1,
      engine: await requireEngine(engine),
      formMs: 60_000,
      redisCommandMs: 10_000,
    });
    [a = '', b = '', c = ''] = cluster.masters;
    material = await fill(cluster, KEYS);
  }, 300_000);
  afterAll(() => cluster?.stop());

  /** Whatever a test did, every key is there once, nobody has a task, and nobody keeps what is not its own. */
  afterEach(async () => {
    for (const name of cluster.masters) await slow(name, 0);
    await until('no task is under way', async () => (await allTasks()).filter(isUnderWay).length === 0, 30_000);
    await until('no keys are left behind', async () => (await strayKeys(cluster)).length === 0, 30_000);
    expect(await problemsOf(cluster, material)).toEqual([]);
    const owners = await cluster.owners();
    expect(owners.filter((names) => names.length !== 1)).toEqual([]);
    expect(sumOf(await keysByMaster(cluster))).toBe(KEYS);
  }, 90_000);

  const sumOf = (counts: Record<string, number>) => Object.values(counts).reduce((x, y) => x + y, 0);
  const slow = (name: string, us: number) => cluster.pipeline(name, [['CONFIG', 'SET', 'rdb-key-save-delay', us]]);

  async function tasksOf(name: string): Promise<AtomicTask[]> {
    const status: Command = isRedis ? ['CLUSTER', 'MIGRATION', 'STATUS', 'ALL'] : ['CLUSTER', 'GETSLOTMIGRATIONS'];
    const [answer] = await cluster.pipeline(name, [status]);
    return isRedis ? parseRedisTasks(answer) : parseValkeyTasks(answer);
  }

  const allTasks = async () => (await Promise.all(cluster.masters.map(tasksOf))).flat();

  /** Tasks that the node that is told has been told since. */
  async function begunSince(before: readonly AtomicTask[]): Promise<AtomicTask[]> {
    const known = new Set(before.map(({ id }) => id));
    const side = isRedis ? 'import' : 'export';
    return (await allTasks()).filter((task) => task.side === side && !known.has(task.id));
  }

  /** As somebody's hand does, or an attempt that died. */
  async function beginByHand({ from, to, ranges }: SlotMove): Promise<void> {
    const [id] = await cluster.pipeline(to, [['CLUSTER', 'MYID']]);
    await cluster.pipeline(
      asked === 'target' ? to : from,
      isRedis
        ? [['CLUSTER', 'MIGRATION', 'IMPORT', ...ranges.flat()]]
        : [['CLUSTER', 'MIGRATESLOTS', 'SLOTSRANGE', ...ranges.flat(), 'NODE', String(id)]],
    );
  }

  const underWay = () =>
    until('a task is under way', async () => (await allTasks()).some(isUnderWay), 20_000).then(() => undefined);

  const withRules = (rules: Partial<MovesSpec>) => ({
    step: { spec: { ...cluster.spec, moves: { ...cluster.spec.moves, ...rules } } },
  });

  /** Some slots of a master, the lowest first, in one range as long as it has that many side by side. */
  const slotsFrom = async (name: string, count: number): Promise<SlotMove['ranges']> => {
    const owners = await cluster.owners();
    const own = [...owners.keys()].filter((slot) => owners[slot]?.[0] === name);
    const start = own.findIndex((slot, i) => own[i + count - 1] === slot + count - 1);
    return compactRanges(
      own.slice(Math.max(0, start), Math.max(0, start) + count).map((slot) => [slot, slot] as const),
    );
  };

  const ownedBy = async (name: string, ranges: SlotMove['ranges']) => {
    const owners = await cluster.owners();
    return slotsOf(ranges).filter((slot) => owners[slot]?.[0] === name).length;
  };

  it('take every key of every type along, between several pairs at once, while clients write, and no client sees an error', async () => {
    const moves = [
      { from: a, to: b, ranges: await slotsFrom(a, 1500) },
      { from: b, to: c, ranges: await slotsFrom(b, 1000) },
      { from: c, to: a, ranges: await slotsFrom(c, 500) },
    ];
    const busy = new BusyClients([cluster.client(), cluster.client(), cluster.client()]);
    const seen: number[] = [];
    const { progress, effects } = await cluster.move(moves, { progress: ({ slots }) => seen.push(slots) });
    const problems = await busy.end(cluster.client());
    for (const key of await busyKeys()) await cluster.client().del(key);
    expect(problems).toEqual([]);
    expect(progress).toMatchObject({ slotsDone: 3000, slotsLeft: 0 });
    expect(progress.keys).toBeGreaterThan((KEYS * 3000) / 16_384 / 2);
    expect(progress.bytes).toBeGreaterThan(progress.keys);
    expect(progress.p99Ms).toBeGreaterThan(0);
    expect(effects).not.toEqual([]);
    expect([...seen].sort((x, y) => x - y)).toEqual(seen);
    for (const { to, ranges } of moves) expect(await ownedBy(to, ranges)).toBe(slotsIn(ranges));
  });

  it('go by turns where two masters give to each other: who gives is not given to meanwhile', async () => {
    const moves = [
      { from: a, to: b, ranges: await slotsFrom(a, 60) },
      { from: b, to: a, ranges: await slotsFrom(b, 60) },
    ];
    const before = new Set((await allTasks()).map(({ id }) => id));
    const moving = cluster.move(moves, withRules({ maxKeysPerSecond: 100 }));
    let ended = false;
    void moving.finally(() => (ended = true)).catch(() => undefined);
    const both: string[] = [];
    while (!ended) {
      const running = (await tasksOf(a)).filter(isUnderWay);
      if (new Set(running.map(({ side }) => side)).size > 1) both.push(running.map(({ stage }) => stage).join());
    }
    expect((await moving).progress).toMatchObject({ slotsDone: 120, slotsLeft: 0 });
    expect(both).toEqual([]);
    expect((await allTasks()).filter(({ id, state }) => !before.has(id) && state !== 'done')).toEqual([]);
    for (const { to, ranges } of moves) expect(await ownedBy(to, ranges)).toBe(60);
  });

  const busyKeys = async () => {
    const keys = await Promise.all(cluster.masters.map((name) => cluster.pipeline(name, [['KEYS', 'busy:*']])));
    return keys.flat(2).map(String);
  };

  it('are moved once: the same again begins nothing', async () => {
    const ranges = await slotsFrom(b, 1200);
    await cluster.move([{ from: b, to: a, ranges }]);
    const before = await allTasks();
    const { progress, effects } = await cluster.move([{ from: b, to: a, ranges }]);
    expect(progress).toMatchObject({ slotsDone: 1200, slotsLeft: 0, keys: 0 });
    expect(effects).toEqual([]);
    expect(await begunSince(before)).toEqual([]);
  });

  it('are gone on with where an attempt died: its task is taken over, and no other is begun', async () => {
    const ranges = await slotsFrom(a, 600);
    const before = await allTasks();
    await slow(a, SLOW_US);
    await beginByHand({ from: a, to: c, ranges });
    await underWay();
    const { progress } = await cluster.move([{ from: a, to: c, ranges }]);
    expect(progress).toMatchObject({ slotsDone: 600, slotsLeft: 0 });
    expect(await begunSince(before)).toHaveLength(1);
    expect(await ownedBy(c, ranges)).toBe(600);
  });

  it('are left alone by a task of an earlier attempt that moves what nobody wants moved: it is cancelled', async () => {
    const [[first = 0, last = 0] = []] = await slotsFrom(a, 800);
    const middle = first + 400;
    await slow(a, SLOW_US);
    await beginByHand({ from: a, to: b, ranges: [[first, middle + 100]] });
    await underWay();
    const [byHand] = (await allTasks()).filter(isUnderWay);
    const moving = cluster.move([{ from: a, to: b, ranges: [[middle, last]] }]);
    const isOver = async () => !(await allTasks()).some((task) => task.id === byHand?.id && isUnderWay(task));
    await until('it is over', isOver, 20_000);
    await slow(a, 0);
    const { progress } = await moving;
    expect(progress).toMatchObject({ slotsLeft: 0 });
    expect(await ownedBy(a, [[first, middle - 1]])).toBe(400);
    expect(await ownedBy(b, [[middle, last]])).toBe(last - middle + 1);
  });

  it('are left alone by a task that leads to a master that has no part in the move', async () => {
    const ranges = await slotsFrom(a, 300);
    const [[, last = 0] = []] = ranges;
    await slow(a, SLOW_US * 3);
    await beginByHand({ from: a, to: c, ranges });
    await underWay();
    await cluster.move([{ from: a, to: b, ranges: [[last + 1, last + 100]] }]);
    expect(await ownedBy(a, ranges)).toBe(300);
    expect((await allTasks()).filter(isUnderWay)).toEqual([]);
  });

  it('stay with their owner, and nothing is under way, where somebody wants it to end in the middle', async () => {
    const ranges = await slotsFrom(a, 1000);
    const held = (await keysByMaster(cluster))[b];
    const stop = new AbortController();
    await slow(a, SLOW_US * 5);
    const moving = cluster.move([{ from: a, to: b, ranges }], { signal: stop.signal });
    await underWay();
    stop.abort();
    const askedAt = performance.now();
    const { progress } = await moving;
    expect(performance.now() - askedAt).toBeLessThan(15_000);
    expect(progress).toMatchObject({ slotsDone: 0, slotsLeft: 1000, keys: 0 });
    expect((await allTasks()).filter(isUnderWay)).toEqual([]);
    expect(await ownedBy(a, ranges)).toBe(1000);
    expect((await keysByMaster(cluster))[b]).toBe(held);
    await slow(a, 0);
    expect(await cluster.move([{ from: a, to: b, ranges }])).toMatchObject({ progress: { slotsLeft: 0 } });
  });

  it('come to an end with the first task where only the time is over, so that every batch gets on', async () => {
    const ranges = await slotsFrom(b, 900);
    await slow(b, SLOW_US);
    const { progress } = await cluster.move([{ from: b, to: c, ranges }], {
      step: { budgetMs: 200, ...withRules({ maxKeysPerSecond: 1000 }).step },
    });
    expect(progress.slotsDone).toBeGreaterThan(0);
    expect(progress.slotsLeft).toBeGreaterThan(0);
    expect((await allTasks()).filter(isUnderWay)).toEqual([]);
    await slow(b, 0);
    expect(await cluster.move([{ from: b, to: c, ranges }])).toMatchObject({ progress: { slotsLeft: 0 } });
  });

  it('go no faster than so many keys a second', async () => {
    const ranges = await slotsFrom(c, 1000);
    const before = await allTasks();
    const { progress } = await cluster.move([{ from: c, to: a, ranges }], withRules({ maxKeysPerSecond: 500 }));
    expect(progress.slotsLeft).toBe(0);
    expect((await begunSince(before)).length).toBeGreaterThan(2);
    // The last task has nothing to wait for behind it.
    expect(progress.keys / (progress.tookMs / 1000)).toBeLessThan(2 * 500);
  });

  it('wait for a node that saves its data, and go then', async () => {
    const ranges = await slotsFrom(a, 200);
    const before = await allTasks();
    await slow(a, 100);
    const saves = await savesOf(a);
    await cluster.pipeline(a, [['BGSAVE']]);
    const moving = cluster.move([{ from: a, to: b, ranges }]);
    for (;;) {
      const begun = await begunSince(before);
      if ((await savesOf(a)) !== saves) break;
      expect(begun).toEqual([]);
      await sleep(50);
    }
    expect((await moving).progress.slotsLeft).toBe(0);
  });

  it('wait where a replica of the target does not answer any more, and go on when it does', async () => {
    const ranges = await slotsFrom(b, 1000);
    const replica = await replicaOf(a);
    const before = await allTasks();
    const moving = cluster.move([{ from: b, to: a, ranges }], withRules({ maxKeysPerSecond: 400 }));
    await underWay();
    replica.freeze();
    try {
      await until('it is missed', async () => (await secondsSilent(a)) > 4, 20_000);
      const begun = (await begunSince(before)).length;
      await until('it is missed for longer', async () => (await secondsSilent(a)) > 6, 20_000);
      expect(await begunSince(before)).toHaveLength(begun);
    } finally {
      replica.thaw();
    }
    expect((await moving).progress).toMatchObject({ slotsDone: 1000, slotsLeft: 0 });
  });

  /** Redis counts no snapshot of slots among them. */
  const savesOf = async (name: string) =>
    /rdb_saves:(\d+)/.exec(String((await cluster.pipeline(name, [['INFO', 'persistence']]))[0]))?.[1];

  const replicationOf = async (name: string) => String((await cluster.pipeline(name, [['INFO', 'replication']]))[0]);
  const secondsSilent = async (name: string) => Number(/slave0:.*,lag=(\d+)/.exec(await replicationOf(name))?.[1]);

  async function replicaOf(name: string) {
    const port = Number(/slave0:ip=[^,]*,port=(\d+)/.exec(await replicationOf(name))?.[1]);
    const server = [...cluster.servers.values()].find((one) => one.port === port);
    if (server === undefined) throw new Error(`${name} has no replica`);
    return server;
  }

  it('are refused, with what to do, where somebody has a slot open to a move key by key', async () => {
    const ranges = await slotsFrom(a, 100);
    const last = slotsOf(await slotsFrom(a, 150)).at(-1) ?? 0;
    const [id] = await cluster.pipeline(b, [['CLUSTER', 'MYID']]);
    await cluster.pipeline(a, [['CLUSTER', 'SETSLOT', last, 'MIGRATING', String(id)]]);
    const failure = await failureOf(cluster.move([{ from: a, to: c, ranges }]));
    await cluster.pipeline(a, [['CLUSTER', 'SETSLOT', last, 'STABLE']]);
    expect(failure.type).toBe('Refused');
    expect(failure.message).toMatch(/has slots open to a move key by key.*No slot was moved.*redisforge repair/);
    expect(await ownedBy(a, ranges)).toBe(100);
  });

  it('do not go where there is no room for them, and the node that has none is named', async () => {
    const ranges = await slotsFrom(c, 300);
    await cluster.pipeline(a, [['CONFIG', 'SET', 'maxmemory', '1mb']]);
    const failure = await failureOf(cluster.move([{ from: c, to: a, ranges }]));
    await cluster.pipeline(a, [['CONFIG', 'SET', 'maxmemory', '256mb']]);
    expect(failure.type).toBe('CommandFailed');
    expect(failure.message).toContain(`${a}: it uses`);
    expect(failure.message).toMatch(/of its maxmemory of 1 MiB.*more memory/);
    expect(await ownedBy(c, ranges)).toBe(300);
  });

  it('go on under a newer attempt, and the older one ends without a word to the nodes', async () => {
    const ranges = await slotsFrom(c, 500);
    const before = await allTasks();
    await slow(c, SLOW_US * 2);
    const older = failureOf(cluster.move([{ from: c, to: b, ranges }]));
    await underWay();
    const newer = cluster.move([{ from: c, to: b, ranges }], {
      step: { token: { generation: 2, step: 'move', attempt: 2 } },
    });
    expect((await older).type).toBe('Fenced');
    expect((await newer).progress).toMatchObject({ slotsDone: 500, slotsLeft: 0 });
    expect(await begunSince(before)).toHaveLength(1);
  });

  it('are many small ranges, too', async () => {
    const [[first = 0] = []] = await slotsFrom(b, 400);
    const ranges = Array.from({ length: 100 }, (_, i) => [first + 4 * i, first + 4 * i + 1] as const);
    const before = await allTasks();
    const { progress } = await cluster.move([{ from: b, to: a, ranges }]);
    expect(progress).toMatchObject({ slotsDone: 200, slotsLeft: 0 });
    const [task] = await begunSince(before);
    expect(formatRanges(task?.ranges ?? [])).toBe(formatRanges(ranges));
    expect(await ownedBy(b, [[first, first + 399]])).toBe(200);
  });
});
