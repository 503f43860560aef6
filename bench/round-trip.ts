/**
 * The mover alone against `redis-cli --cluster`, without and with 0.3 ms of added round trip (a delaying relay before every node, for clients, for nodes among each
 * other and for replicas), alternating on the same cluster with the same data: one pair of masters, and three sources that fill a fourth. Ours is the whole activity:
 * it raises its fence, looks, moves, and looks again; Temporal, plan and proof are in reshard.ts.
 *
 *   npx tsx bench/round-trip.ts [engine] [delay in µs, each way]…
 */
import { Secret } from '../config/secrets.js';
import { ownLine } from '../domain/move-transfers.js';
import { eachSlot } from '../domain/ownership.js';
import type { SlotMove } from '../domain/slot-moves.js';
import { compactRanges } from '../domain/slots.js';
import { ENGINE_NAMES, requireEngine } from '../lab/engines.js';
import { type MovingCluster, startMovingCluster } from '../test/support/moving-cluster.js';
import { cliOf } from '../test/support/proof.js';
import { agreement, type ClusterCli, clusterCli } from './support/cluster-cli.js';
import { fillOwners, MIXED } from './support/fill.js';
import { type Relay, startRelay } from './support/relay.js';
import { median, ratio, writeResult } from './support/result.js';

const KEYS = Number(process.env['BENCH_KEYS'] ?? 1_100_000);
const MASTERS = 4;
const SLOTS = 4096;
/** Some fifty slots stay with the master that is emptied. */
const DRAINED = 4042;

const [engineName = 'redis-7.0', ...delayWords] = process.argv.slice(2);
const name = ENGINE_NAMES.find((known) => known === engineName);
if (name === undefined) throw new Error(`no engine ${engineName}; there are ${ENGINE_NAMES.join(', ')}`);
const engine = await requireEngine(name);
async function withDelay(delayUs: number) {
  let relay: Relay | undefined;
  const cluster = await startMovingCluster({
    ...{
      engine,
      masters: MASTERS,
      replicasPerMaster: 1,
      formMs: 60_000,
      redisCommandMs: 10_000,
      args: ['--maxmemory', '0'],
    },
    ...(delayUs === 0 ? {} : { behind: async (ports) => (relay = await startRelay(ports, delayUs)).ports }),
  });
  try {
    const owners = (await cluster.ownWords()).flatMap((words) => {
      const [server, slots] = [cluster.servers.get(words.name), ownLine(words)?.slots ?? []];
      return server === undefined || slots.length === 0 ? [] : [{ address: server.address, port: server.port, slots }];
    });
    await fillOwners({ owners, user: 'app', password: new Secret(cluster.password.app), keys: KEYS, values: MIXED });
    const sides = new Sides(cluster);
    await sides.drain();
    const pipelines = [10, 100, 1000];
    const pair = told(`pair, ${delayUs} µs each way`, await sides.pair(pipelines));
    const fill = told(`three sources, ${delayUs} µs each way`, await sides.fill([10, 100]));
    return { delayUs, pair, fill };
  } finally {
    await cluster.stop();
    await relay?.close();
  }
}

interface Times {
  /** By pipeline. */
  readonly redisCli: Readonly<Record<string, number>>;
  readonly redisForge: readonly number[];
}

function told(title: string, times: Times) {
  const ours = median(times.redisForge);
  const [byDefault = Number.NaN, ...larger] = Object.values(times.redisCli);
  const over = { default: ratio(byDefault, ours), best: ratio(Math.min(...larger), ours) };
  console.log(`${title}: redis-cli ${JSON.stringify(times.redisCli)}, RedisForge ${times.redisForge.join(', ')} ms`);
  console.log(`  ${over.default}x of the default, ${over.best}x of the best`);
  return { ...times, over };
}

class Sides {
  readonly #cli: ClusterCli;

  constructor(private readonly cluster: MovingCluster) {
    const [entry = ''] = cluster.masters;
    const port = entry.split(':')[1] ?? '';
    this.#cli = clusterCli({ entry: `127.0.0.1:${port}`, password: cluster.password.admin, program: cliOf(engine) });
  }

  /** There by the one, and back by the other. */
  async pair(pipelines: readonly number[]): Promise<Times> {
    const redisCli: Record<string, number> = {};
    const redisForge: number[] = [];
    const [a = '', b = ''] = this.cluster.masters;
    const ids = await this.#ids();
    const way = ['--cluster-from', ids.get(a) ?? '', '--cluster-to', ids.get(b) ?? '', '--cluster-slots', `${SLOTS}`];
    for (const pipeline of pipelines) {
      redisCli[`pipeline${pipeline}`] = await this.#timed(() =>
        this.#cli('reshard', [...way, '--cluster-pipeline', `${pipeline}`]),
      );
      redisForge.push(await this.#move([{ from: b, to: a, ranges: [[0, SLOTS - 1]] }]));
    }
    return { redisCli, redisForge };
  }

  /** Three masters fill the fourth. */
  async fill(pipelines: readonly number[]): Promise<Times> {
    const redisCli: Record<string, number> = {};
    const redisForge: number[] = [];
    for (const pipeline of pipelines) {
      redisCli[`pipeline${pipeline}`] = await this.#timed(() =>
        this.#cli('rebalance', ['--cluster-threshold', '1', '--cluster-pipeline', `${pipeline}`]),
      );
      await this.drain();
      redisForge.push(await this.#move(await this.#shares()));
      await this.drain();
    }
    return { redisCli, redisForge };
  }

  /** The fourth gives nearly all that it has to the others. */
  async drain(): Promise<void> {
    const [, , , last = ''] = this.cluster.masters;
    const own = (await this.#slotsOf(last)).slice(0, DRAINED);
    const share = Math.ceil(own.length / (MASTERS - 1));
    await this.#move(
      this.cluster.masters.slice(0, MASTERS - 1).flatMap((to, i) => {
        const slots = own.slice(i * share, (i + 1) * share);
        return slots.length === 0 ? [] : [{ from: last, to, ranges: rangesOf(slots) }];
      }),
    );
  }

  /** What each of the others has too much. */
  async #shares(): Promise<SlotMove[]> {
    const [, , , last = ''] = this.cluster.masters;
    const moves = this.cluster.masters.slice(0, MASTERS - 1).map(async (from) => {
      const own = await this.#slotsOf(from);
      return { from, to: last, ranges: rangesOf(own.slice(0, own.length - SLOTS)) };
    });
    return Promise.all(moves);
  }

  async #move(moves: readonly SlotMove[]): Promise<number> {
    const { spec } = this.cluster;
    const step = { spec: { ...spec, moves: { ...spec.moves, mover: 'keys' as const } }, budgetMs: 300_000 };
    return this.#timed(async () => {
      const { progress } = await this.cluster.move(moves, { step });
      if (progress.slotsLeft > 0) throw new Error(`${progress.slotsLeft} slots are left`);
    });
  }

  async #timed(work: () => Promise<void>): Promise<number> {
    await agreement(this.#cli);
    const startedAt = performance.now();
    await work();
    return Math.round(performance.now() - startedAt);
  }

  async #ids(): Promise<Map<string, string>> {
    return new Map((await this.cluster.ownWords()).map(({ name: node, id }) => [node, id]));
  }

  async #slotsOf(node: string): Promise<number[]> {
    const words = (await this.cluster.ownWords()).find((one) => one.name === node);
    return words === undefined ? [] : [...eachSlot(ownLine(words)?.slots ?? [])];
  }
}

function rangesOf(slots: readonly number[]) {
  return compactRanges(slots.map((slot) => [slot, slot]));
}

const delays = delayWords.length === 0 ? [0, 150] : delayWords.map(Number);
for (const delayUs of delays) {
  const result = await withDelay(delayUs);
  writeResult(`round-trip-${name}-${delayUs}us`, { engine: engine.version, keys: KEYS, slots: SLOTS, ...result });
}
process.exit(0);
