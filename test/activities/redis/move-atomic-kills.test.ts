import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { moveSlots } from '../../../activities/redis/move/move-slots.js';
import { isUnderWay, parseRedisTasks, parseValkeyTasks } from '../../../domain/atomic-tasks.js';
import { ForgeError } from '../../../domain/errors.js';
import type { MovedSlots } from '../../../domain/reshape-steps.js';
import { type EngineName, requireEngine } from '../../../lab/engines.js';
import {
  fill,
  type Material,
  type MovingCluster,
  problemsOf,
  startMovingCluster,
} from '../../support/moving-cluster.js';
import { until } from '../../support/until.js';

const KEYS = 20_000;
const SLOTS = 600;
/** Added to each key of a snapshot: the kill comes in the middle of it. */
const SLOW_US = 3000;
const LONG_MS = 60_000;

type Victim = 'source' | 'target';

describe.each<EngineName>(['redis-8.6', 'valkey-9.1'])(
  'a node of %s that is killed while it moves slots in one go',
  (engine) => {
    let cluster: MovingCluster;
    let material: Material;
    const isRedis = engine.startsWith('redis');

    beforeAll(async () => {
      cluster = await startMovingCluster({
        replicasPerMaster: 1,
        engine: await requireEngine(engine),
        formMs: LONG_MS,
        redisCommandMs: 5000,
        args: ['--appendonly', 'yes', '--cluster-node-timeout', '2000'],
      });
      material = await fill(cluster, KEYS);
    }, 300_000);
    afterAll(() => cluster?.stop());

    const names = () => [...cluster.servers.keys()];

    async function masters(): Promise<string[]> {
      const words = await cluster.ownWords();
      return words.flatMap(({ name, id, view }) => {
        const self = view.find((entry) => entry.id === id);
        return self?.masterId === null && self.slots.length > 0 ? [name] : [];
      });
    }

    async function firstSlots(name: string): Promise<[number, number]> {
      const owners = await cluster.owners();
      const first = owners.findIndex((own, slot) => own[0] === name && owners[slot + SLOTS - 1]?.[0] === name);
      return [first, first + SLOTS - 1];
    }

    async function tasks() {
      const of = await Promise.all(
        (await masters()).map((name) =>
          cluster.pipeline(name, [
            isRedis ? ['CLUSTER', 'MIGRATION', 'STATUS', 'ALL'] : ['CLUSTER', 'GETSLOTMIGRATIONS'],
          ]),
        ),
      );
      return of.flatMap(([answer]) => (isRedis ? parseRedisTasks(answer) : parseValkeyTasks(answer)));
    }

    const slow = async (us: number) => {
      for (const name of names()) await cluster.pipeline(name, [['CONFIG', 'SET', 'rdb-key-save-delay', us]]);
    };

    /** All nodes answer, every master has its replica, all agree, and nothing is lost, twice there or still under way. */
    afterEach(async () => {
      await until('all are well', allAreWell, LONG_MS);
      expect((await tasks()).filter(isUnderWay)).toEqual([]);
      expect((await tasks()).filter(({ state, side }) => isRedis && state === 'failed' && side === 'export')).toEqual(
        [],
      );
      expect(await problemsOf(cluster, material)).toEqual([]);
      expect((await cluster.owners()).filter((own) => own.length !== 1)).toEqual([]);
      const counts = await Promise.all((await masters()).map((name) => cluster.pipeline(name, [['DBSIZE']])));
      expect(counts.reduce((sum, [count]) => sum + Number(count), 0)).toBe(KEYS);
    }, 2 * LONG_MS);

    async function allAreWell(): Promise<boolean> {
      const infos = await Promise.all(
        names().map((name) =>
          cluster.pipeline(name, [
            ['CLUSTER', 'INFO'],
            ['INFO', 'replication'],
            ['INFO', 'persistence'],
          ]),
        ),
      );
      return infos.every((texts) => {
        const text = texts.map(String).join('\n');
        const inSync = /role:master/.test(text) ? /state=online/.test(text) : /master_link_status:up/.test(text);
        return inSync && /cluster_state:ok/.test(text) && !/loading:1/.test(text);
      });
    }

    async function killInTheMiddle(victim: Victim, meanwhile: (name: string) => Promise<void>) {
      const [from = '', to = ''] = await masters();
      const ranges = [await firstSlots(from)];
      const move = (attempt: number) =>
        moveSlots(
          {
            spec: cluster.spec,
            token: { generation: 2, step: `move ${from}`, attempt },
            moves: [{ from, to, ranges }],
            budgetMs: LONG_MS,
          },
          {
            secrets: cluster.secrets,
            confirm: () => Promise.resolve(),
            progress: () => undefined,
            signal: new AbortController().signal,
          },
        );
      await slow(SLOW_US);
      const first = move(1).catch((error: unknown) => error);
      await until('a task is under way', async () => (await tasks()).some(isUnderWay), LONG_MS);
      const name = victim === 'source' ? from : to;
      await cluster.servers.get(name)?.kill();
      await meanwhile(name);
      const outcome = await first;
      await until('all are well', allAreWell, LONG_MS);
      await slow(0);
      return { outcome, second: await move(2) };
    }

    /** The first call may get through by itself; where it does not, it says that it may be asked again. */
    function expectMoved({ outcome, second }: { readonly outcome: unknown; readonly second: MovedSlots }) {
      if (outcome instanceof Error) expect(outcome).toMatchObject({ name: ForgeError.name, type: 'NodeUnreachable' });
      else expect(outcome).toMatchObject({ progress: { slotsLeft: 0 } });
      expect(second.progress).toMatchObject({ slotsDone: SLOTS, slotsLeft: 0 });
    }

    it.each<Victim>(['target', 'source'])(
      'is the %s, and is started again',
      async (victim) => {
        expectMoved(await killInTheMiddle(victim, (name) => cluster.servers.get(name)?.restart() ?? Promise.resolve()));
      },
      3 * LONG_MS,
    );

    it.each<Victim>(['target', 'source'])(
      'is the %s, and its replica takes over',
      async (victim) => {
        const takenOver = async (name: string) => {
          await until('a replica has taken over', async () => (await masters()).length === 3, LONG_MS);
          await cluster.servers.get(name)?.restart();
        };
        expectMoved(await killInTheMiddle(victim, takenOver));
      },
      3 * LONG_MS,
    );
  },
);
