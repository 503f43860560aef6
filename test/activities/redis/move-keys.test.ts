import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MoveHeartbeat } from '../../../activities/redis/move/move-slots.js';
import type { SlotMove } from '../../../domain/slot-moves.js';
import { requireEngine } from '../../../lab/engines.js';
import { failureOf } from '../../support/failure.js';
import { ledgerProblems } from '../../support/ledger.js';
import {
  fill,
  firstSlotsOf,
  keysByMaster,
  type Material,
  type MovingCluster,
  problemsOf,
  slotsOf,
  startMovingCluster,
  strayKeys,
} from '../../support/moving-cluster.js';
import { until } from '../../support/until.js';
import { expectNoProblems } from '../../support/no-problems.js';

const KEYS = 100_000;
const SLOTS = 1200;

describe.each([
  { engine: 'redis-7.0', replicas: 0 },
  { engine: 'valkey-8.1', replicas: 1 },
] as const)('slots moved key by key on $engine', { timeout: 180_000 }, ({ engine, replicas }) => {
  let cluster: MovingCluster;
  let material: Material;

  beforeAll(async () => {
    cluster = await startMovingCluster({ replicasPerMaster: replicas, engine: await requireEngine(engine) });
    material = await fill(cluster, KEYS);
  }, 120_000);
  afterAll(() => cluster?.stop());

  /** Some slots of the master that has most of them, to the one that has fewest. */
  async function someMove(count = SLOTS): Promise<SlotMove> {
    const owners = (await cluster.owners()).map(([name]) => name);
    const sizeOf = (master: string) => owners.filter((name) => name === master).length;
    const [to = '', , from = ''] = [...cluster.masters].sort((a, b) => sizeOf(a) - sizeOf(b));
    return { from, to, ranges: await firstSlotsOf(cluster, from, count) };
  }

  async function expectMoved({ ranges, to }: SlotMove): Promise<void> {
    const owners = await cluster.owners();
    expect(slotsOf(ranges).every((slot) => owners[slot]?.join() === to)).toBe(true);
    expect(await cluster.openSlots()).toEqual([]);
    expect(await strayKeys(cluster)).toEqual([]);
    expect(await problemsOf(cluster, material)).toEqual([]);
  }

  it('take every key of every type along while clients write, none of which sees an error', async () => {
    const move = await someMove();
    const ledger = await cluster.ledger({ perSecond: 1000, mostKeys: 20_000, slots: move.ranges });
    try {
      await until('it writes', async () => (await ledger.counts()).acknowledged > 1000, 60_000);
      const { progress, effects } = await cluster.move([move]);
      expect(progress).toMatchObject({ slotsDone: SLOTS, slotsLeft: 0 });
      expect(progress.keys).toBeGreaterThan(KEYS / 20);
      expect(progress.bytes).toBeGreaterThan(progress.keys * 50);
      expect(progress.p99Ms).toBeGreaterThan(0);
      expect(effects).toEqual([expect.stringMatching(`^${move.from} → ${move.to}: 1 200 slots, [\\d ]+ keys$`)]);
      expectNoProblems(ledgerProblems(await ledger.verify()));
      await ledger.clear();
    } finally {
      await ledger.close();
    }
    await expectMoved(move);
  });

  it('are moved once: the same again does nothing', async () => {
    const move = await someMove();
    await cluster.move([move]);
    const before = await keysByMaster(cluster);
    const { progress, effects } = await cluster.move([move]);
    expect(progress).toMatchObject({ slotsDone: SLOTS, slotsLeft: 0, keys: 0 });
    expect(effects).toEqual([]);
    expect(await keysByMaster(cluster)).toEqual(before);
  });

  it('are open no longer when it is interrupted, at whatever time, and are gone on with', async () => {
    const move = await someMove();
    let done = 0;
    for (let round = 1; done < SLOTS; round += 1) {
      const interrupted = new AbortController();
      const begun = until('something was moved', () => interrupted.signal.aborted || sleep(Math.random() * 400, true));
      void begun.then(() => interrupted.abort());
      const { progress } = await cluster.move([move], {
        signal: interrupted.signal,
        step: { token: { generation: 2, step: 'move', attempt: round } },
      });
      interrupted.abort();
      expect(await cluster.openSlots()).toEqual([]);
      expect(progress.slotsDone).toBeGreaterThanOrEqual(done);
      expect(progress.slotsDone + progress.slotsLeft).toBe(SLOTS);
      done = progress.slotsDone;
      expect(round).toBeLessThan(60);
    }
    await expectMoved(move);
  });

  it('go as far as the time allows, and the next call goes on', async () => {
    const move = await someMove();
    const first = await cluster.move([move], { step: { budgetMs: 60 } });
    expect(first.progress.slotsLeft).toBeGreaterThan(0);
    expect(await cluster.openSlots()).toEqual([]);
    const second = await cluster.move([move]);
    expect(second.progress).toMatchObject({ slotsDone: SLOTS, slotsLeft: 0 });
    await expectMoved(move);
  });

  it('are finished by the attempt that supersedes another one in the middle, which is fenced', async () => {
    const move = await someMove();
    let told: MoveHeartbeat | undefined;
    const slow = { ...cluster.spec, moves: { ...cluster.spec.moves, maxKeysPerSecond: 2000 } };
    const progress = (heartbeat: MoveHeartbeat) => void (told = heartbeat);
    const late = failureOf(cluster.move([move], { progress, step: { spec: slow } }));
    await until('it is under way', () => (told?.keys ?? 0) > 0);
    const next = await cluster.move([move], {
      step: { token: { generation: 2, step: 'move', attempt: 2 } },
    });
    expect(await late).toMatchObject({ type: 'Fenced' });
    expect(next.progress).toMatchObject({ slotsDone: SLOTS, slotsLeft: 0 });
    await expectMoved(move);
  });

  it('go between all masters at once, and nobody gives and takes at the same time', async () => {
    const [a = '', b = '', c = ''] = cluster.masters;
    const moves = [
      { from: a, to: b, ranges: await firstSlotsOf(cluster, a, 300) },
      { from: b, to: c, ranges: await firstSlotsOf(cluster, b, 300) },
      { from: c, to: a, ranges: await firstSlotsOf(cluster, c, 300) },
    ];
    const { progress, effects } = await cluster.move(moves);
    expect(progress).toMatchObject({ slotsDone: 900, slotsLeft: 0 });
    expect(effects).toHaveLength(3);
    for (const move of moves) await expectMoved(move);
  });

  it('keep to a cap of keys, and to a target that clients’ waiting is to stay below', async () => {
    const { moves } = cluster.spec;
    const spec = (change: Partial<typeof moves>) => ({ ...cluster.spec, moves: { ...moves, ...change } });
    const speedWith = async (change: Partial<typeof moves>) => {
      const move = await someMove(3000);
      const { progress } = await cluster.move([move], { step: { spec: spec(change), budgetMs: 2500 } });
      return (progress.keys / progress.tookMs) * 1000;
    };
    const free = await speedWith({});
    const cap = free / 5;
    const capped = await speedWith({ maxKeysPerSecond: Math.round(cap) });
    expect(capped).toBeLessThan(cap * 1.25);
    expect(await speedWith({ targetP99Ms: 0.01 })).toBeLessThan(free / 3);
    expect(await cluster.openSlots()).toEqual([]);
  });
});
