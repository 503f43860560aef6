import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MoveHeartbeat } from '../../../activities/redis/move/move-slots.js';
import type { MovedSlots } from '../../../domain/reshape-steps.js';
import { keySlot } from '../../../domain/key-slot.js';
import { ForgeError } from '../../../domain/errors.js';
import type { SlotMove } from '../../../domain/slot-moves.js';
import { requireEngine } from '../../../lab/engines.js';
import { failureOf } from '../../support/failure.js';
import { ledgerProblems } from '../../support/ledger.js';
import {
  fill,
  firstSlotsOf,
  type Material,
  type MoveChange,
  type MovingCluster,
  problemsOf,
  slotsOf,
  startMovingCluster,
  strayKeys,
} from '../../support/moving-cluster.js';
import { until } from '../../support/until.js';
import { expectNoProblems } from '../../support/no-problems.js';

const KEYS = 60_000;
const SLOTS = 1000;

const engines = ['redis-7.0', 'valkey-8.1'] as const;

describe.each(engines)('a move of keys on %s', { timeout: 180_000 }, (engine) => {
  let cluster: MovingCluster;
  let material: Material;
  let attempt = 0;

  beforeAll(async () => {
    cluster = await startMovingCluster({ replicasPerMaster: 1, engine: await requireEngine(engine) });
    material = await fill(cluster, KEYS);
  }, 120_000);
  afterAll(() => cluster?.stop());
  beforeEach(() => void (attempt = 0));
  afterEach(async () => {
    for (const node of cluster.masters) {
      await cluster.admin(node, 'CONFIG', 'SET', 'maxmemory', cluster.spec.redis.maxmemoryBytes);
    }
  });

  async function someMove(count = SLOTS): Promise<SlotMove & { from: string; to: string }> {
    const [to = '', from = ''] = await mastersBySize();
    return { from, to, ranges: await firstSlotsOf(cluster, from, count) };
  }

  /** The ones that own fewest and most slots. */
  async function mastersBySize(): Promise<string[]> {
    const sizes = new Map<string, number>();
    for (const [name = ''] of await cluster.owners()) sizes.set(name, (sizes.get(name) ?? 0) + 1);
    const sorted = [...sizes].sort((a, b) => a[1] - b[1]).map(([name]) => name);
    return [sorted[0] ?? '', sorted.at(-1) ?? ''];
  }

  /** Tries again as Temporal does, where the failure is one of those that may pass. */
  async function moveAsActivity(moves: readonly SlotMove[], change: MoveChange = {}): Promise<MovedSlots> {
    for (let tries = 1; ; tries += 1) {
      attempt += 1;
      const token = { generation: 2, step: 'move', attempt };
      try {
        return await cluster.move(moves, { ...change, step: { ...change.step, token } });
      } catch (error) {
        if (!(error instanceof ForgeError) || error.type !== 'NodeUnreachable' || tries >= 8) throw error;
      }
    }
  }

  async function expectMoved({ ranges, to }: SlotMove): Promise<void> {
    const owners = await cluster.owners();
    expect(new Set(slotsOf(ranges).map((slot) => owners[slot]?.join()))).toEqual(new Set([to]));
    expect(await cluster.openSlots()).toEqual([]);
    expect(await strayKeys(cluster)).toEqual([]);
    expect(await problemsOf(cluster, material)).toEqual([]);
  }

  const spec = (change: Partial<typeof cluster.spec.moves>) => ({
    ...cluster.spec,
    moves: { ...cluster.spec.moves, ...change },
  });

  /** Drops all connections of whoever moves, its own and those of one node to the other. */
  async function cutFences(node: string): Promise<void> {
    const users = ((await cluster.admin(node, 'ACL', 'USERS')) as string[]).filter((user) => user.includes('fence'));
    // It may be gone by now.
    for (const user of users) await cluster.admin(node, 'CLIENT', 'KILL', 'USER', user).catch(() => undefined);
  }

  /** Something that happens in the middle of a move. */
  function whenUnderWay(work: () => Promise<void>) {
    let told: MoveHeartbeat | undefined;
    const done = until('it is under way', () => (told?.keys ?? 0) > 0, 60_000).then(work);
    return { progress: (heartbeat: MoveHeartbeat) => void (told = heartbeat), done };
  }

  it('goes on over connections that are cut again and again, at both ends and between them', async () => {
    const move = await someMove();
    const ledger = await cluster.ledger({ perSecond: 500, mostKeys: 10_000, slots: move.ranges });
    try {
      let over = false;
      const { progress, done } = whenUnderWay(async () => {
        while (!over) {
          for (const node of [move.from, move.to]) await cutFences(node);
          await sleep(500 + 1000 * Math.random());
        }
      });
      const { progress: made } = await moveAsActivity([move], {
        progress,
        step: { spec: spec({ maxKeysPerSecond: 8000 }) },
      });
      over = true;
      await done;
      expect(made).toMatchObject({ slotsDone: SLOTS, slotsLeft: 0 });
      expectNoProblems(ledgerProblems(await ledger.verify()));
      await ledger.clear();
    } finally {
      await ledger.close();
    }
    await expectMoved(move);
  });

  it('opens nothing for which the target has no room, and says so with numbers', async () => {
    const move = await someMove();
    const used = Number(/used_memory:(\d+)/.exec(String(await cluster.admin(move.to, 'INFO', 'memory')))?.[1]);
    await cluster.admin(move.to, 'CONFIG', 'SET', 'maxmemory', used);
    const failure = await failureOf(cluster.move([move]));
    await cluster.admin(move.to, 'CONFIG', 'SET', 'maxmemory', cluster.spec.redis.maxmemoryBytes);
    expect(failure.type).toBe('CommandFailed');
    expect(failure.message).toMatch(
      new RegExp(`${move.to}: it uses \\d+ MiB of its maxmemory of \\d+ MiB, and \\d+ MiB would come`),
    );
    expect(await cluster.openSlots()).toEqual([]);
    expect(await problemsOf(cluster, material)).toEqual([]);
  });

  it('closes what it has not touched where the target runs out of memory in the middle, and goes on when it has some', async () => {
    const move = await someMove();
    const { progress, done } = whenUnderWay(async () => {
      await cluster.admin(move.to, 'CONFIG', 'SET', 'maxmemory', 1_000_000);
    });
    const failure = await failureOf(
      cluster.move([move], { progress, step: { spec: spec({ maxKeysPerSecond: 3000 }) } }),
    );
    await done;
    expect(failure.type).toBe('CommandFailed');
    expect(failure.message).toMatch(/OOM|would come with the next slots/);
    // Of the group whose keys were going; newer servers have the flags on the replicas as well.
    const open = new Set((await cluster.openSlots()).map((line) => line.split(' ')[1]));
    expect(open.size).toBeLessThanOrEqual(64);
    await cluster.admin(move.to, 'CONFIG', 'SET', 'maxmemory', cluster.spec.redis.maxmemoryBytes);
    expect((await moveAsActivity([move])).progress).toMatchObject({ slotsDone: SLOTS, slotsLeft: 0 });
    await expectMoved(move);
  });

  describe('with a big key', () => {
    const BIG = 'big:1';
    const FIELDS = 200_000;
    let move: SlotMove & { from: string; to: string };

    beforeEach(async () => {
      const owner = (await cluster.owners())[keySlot(BIG)]?.[0] ?? '';
      const [fewest = '', most = ''] = await mastersBySize();
      const slot = keySlot(BIG);
      move = { from: owner, to: owner === fewest ? most : fewest, ranges: [[slot - 20, slot + 20]] };
      for (let at = 0; at < FIELDS; at += 20_000) {
        const fields = Array.from({ length: 20_000 }, (_, i) => [`field ${at + i}`, `value ${at + i} `.repeat(5)]);
        await cluster.pipeline(owner, [['HSET', BIG, ...fields.flat()]]);
      }
    });

    const lengthOn = async (node: string) => Number((await cluster.pipeline(node, [['HLEN', BIG]]))[0]);

    it('moves it alone, while nodes wait longer for each other, and nobody is taken for dead', async () => {
      const epochs = async () =>
        (await cluster.ownWords()).map(({ view }) => view.find(({ flags }) => flags.includes('myself'))?.masterId);
      const before = await epochs();
      const own = { ...spec({ bigKeyBytes: 2 ** 20 }), redis: { ...cluster.spec.redis, nodeTimeoutMs: 1500 } };
      for (const { name } of await cluster.ownWords())
        await cluster.admin(name, 'CONFIG', 'SET', 'cluster-node-timeout', 1500);
      let longest = 0;
      let over = false;
      const watching = (async () => {
        while (!over) {
          const [, value] = (await cluster.admin(move.to, 'CONFIG', 'GET', 'cluster-node-timeout')) as string[];
          longest = Math.max(longest, Number(value));
        }
      })();
      const { progress } = await moveAsActivity([move], { step: { spec: own } });
      over = true;
      await watching;
      expect(progress.slotsLeft).toBe(0);
      expect(longest).toBeGreaterThan(1500);
      for (const { name } of await cluster.ownWords()) {
        expect(await cluster.admin(name, 'CONFIG', 'GET', 'cluster-node-timeout')).toEqual([
          'cluster-node-timeout',
          '1500',
        ]);
        await cluster.admin(name, 'CONFIG', 'SET', 'cluster-node-timeout', 5000);
      }
      expect(await epochs()).toEqual(before);
      expect(await lengthOn(move.to)).toBe(FIELDS);
      await expectMoved(move);
      await cluster.pipeline(move.to, [['DEL', BIG]]);
    });

    it('leaves its slot alone where the spec refuses, names it, and moves the others', async () => {
      const failure = await failureOf(
        cluster.move([move], { step: { spec: spec({ bigKeyBytes: 2 ** 20, bigKeys: 'refuse' }) } }),
      );
      expect(failure.type).toBe('CommandFailed');
      expect(failure.message).toMatch(/refuses to move keys of 1 MiB and more: slot \d+: big:1 \(\d+ MiB\)/);
      expect(failure.message).toContain('1 slots were left');
      expect(await cluster.openSlots()).toEqual([]);
      expect((await cluster.owners())[keySlot(BIG)]).toEqual([move.from]);
      expect(await lengthOn(move.from)).toBe(FIELDS);
      await cluster.pipeline(move.from, [['DEL', BIG]]);
    });
  });
});
