/**
 * Slots moved in one go: the bare engine, as a short script uses it, against our mover, alternating between the same two nodes with the same data; and what the
 * size of Valkey's jobs does to its clients.
 *
 *   npx tsx bench/atomic.ts [rounds]
 */
import { VALKEY_LIMITS } from '../domain/atomic-pace.js';
import { keySlot } from '../domain/key-slot.js';
import type { SlotRange } from '../domain/slots.js';
import { type EngineName, requireEngine } from '../lab/engines.js';
import { type MovingCluster, startMovingCluster } from '../test/support/moving-cluster.js';
import { moveBare } from './support/bare-engine.js';
import { median, ratio, writeResult } from './support/result.js';
import { type Stalls, watchStalls } from './support/stalls.js';

const SLOTS = 4096;
const RANGE: SlotRange = [0, SLOTS - 1];
const BATCH = 2000;

interface Data {
  readonly keys: number;
  readonly bytes: number;
}

/** As redis-mechanics measured it, and as much as is wanted to be moved. */
const SMALL: Data = { keys: 275_000, bytes: 100 };
const LARGE: Data = { keys: 1_200_000, bytes: 1000 };
/** Keys that a client writes to all the time lie among the others. */
const WATCHED = 200;

const rounds = Number(process.argv[2] ?? 3);

async function withData<T>(
  engine: EngineName,
  data: Data,
  replicas: number,
  use: (cluster: MovingCluster, keys: readonly string[]) => Promise<T>,
): Promise<T> {
  const cluster = await startMovingCluster({
    engine: await requireEngine(engine),
    replicasPerMaster: replicas,
    formMs: 120_000,
    redisCommandMs: 30_000,
    args: ['--maxmemory', '0'],
  });
  try {
    return await use(cluster, await fill(cluster, data));
  } finally {
    await cluster.stop();
  }
}

/** Gives some of the keys. */
async function fill(cluster: MovingCluster, { keys, bytes }: Data): Promise<string[]> {
  const [owner = ''] = (await cluster.owners())[RANGE[0]] ?? [];
  const value = 'v'.repeat(bytes);
  const names: string[] = [];
  let batch: string[] = [];
  const flush = async () => {
    await cluster.pipeline(
      owner,
      batch.map((key) => ['SET', key, value] as const),
    );
    batch = [];
  };
  for (let n = 0, made = 0; made < keys; n += 1) {
    const key = `bench:${n}`;
    if (keySlot(key) > RANGE[1]) continue;
    made += 1;
    batch.push(key);
    if (names.length < WATCHED) names.push(key);
    if (batch.length === BATCH) await flush();
  }
  await flush();
  return names;
}

async function ends(cluster: MovingCluster): Promise<{ from: string; to: string }> {
  const [from = ''] = (await cluster.owners())[RANGE[0]] ?? [];
  const [first = '', second = ''] = cluster.masters;
  return { from, to: from === first ? second : first };
}

interface Side {
  readonly ms: number;
  readonly stalls: Stalls;
}

async function bare(cluster: MovingCluster, keys: readonly string[]): Promise<Side> {
  const move = { ...(await ends(cluster)), ranges: [RANGE] };
  let ms = 0;
  const stalls = await watchStalls(cluster.client(), keys, async () => {
    ms = await moveBare(cluster, move);
  });
  return { ms, stalls };
}

/** The whole activity: it raises its fence, looks, moves, and looks again. */
async function ours(cluster: MovingCluster, keys: readonly string[]): Promise<Side> {
  const move = { ...(await ends(cluster)), ranges: [RANGE] };
  let ms = 0;
  const stalls = await watchStalls(cluster.client(), keys, async () => {
    const startedAt = performance.now();
    const { progress } = await cluster.move([move], { step: { budgetMs: 300_000 } });
    ms = performance.now() - startedAt;
    if (progress.slotsLeft > 0) throw new Error(`${progress.slotsLeft} slots are left`);
  });
  return { ms, stalls };
}

async function compare(engine: EngineName, name: string, data: Data) {
  return withData(engine, data, 0, async (cluster, keys) => {
    const sides: Record<'bare' | 'ours', Side[]> = { bare: [], ours: [] };
    for (let i = 0; i < rounds; i += 1) {
      sides.bare.push(await bare(cluster, keys));
      sides.ours.push(await ours(cluster, keys));
      console.log(
        `${engine} ${name}, round ${i + 1}: bare ${line(sides.bare.at(-1))}; ours ${line(sides.ours.at(-1))}`,
      );
    }
    const [engineMs, oursMs] = [sides.bare, sides.ours].map((all) => median(all.map(({ ms }) => ms)));
    const times = ratio(oursMs ?? Number.NaN, engineMs ?? Number.NaN);
    console.log(`${engine} ${name}: bare ${engineMs} ms, ours ${oursMs} ms, ${times}x`);
    return { engine, name, ...data, bareMs: engineMs, oursMs, ratio: times, rounds: sides };
  });
}

function line(side: Side | undefined): string {
  return side === undefined
    ? ''
    : `${Math.round(side.ms)} ms (p99 ${side.stalls.p99}, max ${side.stalls.max} ms, ${side.stalls.errors} errors)`;
}

/** One job after the other, of so many slots each, there and back. */
async function jobSizes() {
  return withData('valkey-9.1', SMALL, 1, async (cluster, keys) => {
    const rows: { slots: number; keys: number; ms: number; stalls: Stalls }[] = [];
    for (const slots of [4096, 2048, 1024, 512, 256, 64]) {
      const sides: Side[] = [];
      for (let i = 0; i < rounds; i += 1) {
        const way = await ends(cluster);
        let ms = 0;
        const stalls = await watchStalls(cluster.client(), keys, async () => {
          for (let from = 0; from < SLOTS; from += slots)
            ms += await moveBare(cluster, { ...way, ranges: [[from, from + slots - 1]] });
        });
        sides.push({ ms, stalls });
      }
      const typical = (of: (stalls: Stalls) => number) => median(sides.map(({ stalls }) => of(stalls)));
      rows.push({
        slots,
        keys: Math.round((SMALL.keys * slots) / SLOTS),
        ms: median(sides.map(({ ms }) => ms)),
        stalls: {
          p50: typical(({ p50 }) => p50),
          p99: typical(({ p99 }) => p99),
          max: typical(({ max }) => max),
          errors: sides.reduce((sum, { stalls }) => sum + stalls.errors, 0),
        },
      });
      console.log(`valkey-9.1, jobs of ${slots} slots: ${JSON.stringify(rows.at(-1))}`);
    }
    const own: Side[] = [];
    for (let i = 0; i < rounds; i += 1) own.push(await ours(cluster, keys));
    console.log(`valkey-9.1, ours: ${own.map(line).join('; ')}`);
    return { rows, ours: own, keysOfOurJobs: VALKEY_LIMITS.keys };
  });
}

const comparisons = [];
for (const engine of ['redis-8.6', 'valkey-9.1'] as const)
  for (const [name, data] of [
    ['275,000 keys', SMALL],
    ['1.2 GB', LARGE],
  ] as const)
    comparisons.push(await compare(engine, name, data));
writeResult('atomic', { rounds, slots: SLOTS, comparisons, valkeyJobs: await jobSizes() });
process.exit(0);
