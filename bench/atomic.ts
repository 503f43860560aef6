/**
 * Slots moved in one go: the bare engine, as a short script uses it, against our mover, alternating between the same two nodes with the same data; and what the
 * size of Valkey's jobs does to its clients.
 *
 *   npx tsx bench/atomic.ts [part…]        redis-8.6, valkey-9.1 or valkey-jobs; all where none is named
 */
import { VALKEY_LIMITS } from '../domain/atomic-pace.js';
import { keySlot } from '../domain/key-slot.js';
import type { SlotRange } from '../domain/slots.js';
import { type EngineName, requireEngine } from '../lab/engines.js';
import { type MovingCluster, startMovingCluster } from '../test/support/moving-cluster.js';
import { startTestTemporal } from '../test/support/temporal.js';
import { type BareNodes, moveBare } from './support/bare-engine.js';
import { type Moved, words } from './support/moved.js';
import { openMoveStage } from './support/move-stage.js';
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

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3);

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

function bareNodes(cluster: MovingCluster): BareNodes {
  return { kind: cluster.spec.engine.kind, pipeline: (node, commands) => cluster.pipeline(node, commands) };
}

async function bare(cluster: MovingCluster, keys: readonly string[]): Promise<Side> {
  const move = { ...(await ends(cluster)), ranges: [RANGE] };
  let ms = 0;
  const stalls = await watchStalls(cluster.client(), keys, async () => {
    ms = await moveBare(bareNodes(cluster), move);
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
            ms += await moveBare(bareNodes(cluster), { ...way, ranges: [[from, from + slots - 1]] });
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

/** The whole verb: CLI, survey and plan, Temporal, leases, the move, and the proof, two looks a node timeout apart. */
async function compareVerb(engine: EngineName) {
  const temporal = await startTestTemporal();
  try {
    const stage = await openMoveStage({
      ...{ temporalAddress: temporal.address, engine, keys: LARGE.keys, values: { bytes: LARGE.bytes }, within: RANGE },
    });
    try {
      await stage.drain();
      const sides: Record<'bare' | 'ours', Moved[]> = { bare: [], ours: [] };
      for (let i = 0; i < rounds; i += 1) {
        sides.bare.push(await stage.bareReshard(SLOTS));
        sides.ours.push(await stage.reshard(SLOTS, 'auto'));
        console.log(`${engine} verb, round ${i + 1}: ${[...sides.bare, ...sides.ours].map(words).join(' | ')}`);
      }
      const [bareMs, moveMs, totalMs] = [
        median(sides.bare.map((one) => one.totalMs)),
        median(sides.ours.map((one) => one.moveMs)),
        median(sides.ours.map((one) => one.totalMs)),
      ];
      const times = { ofTheMove: ratio(moveMs, bareMs), ofAll: ratio(totalMs, bareMs) };
      console.log(`${engine} verb: bare ${bareMs} ms, ours ${moveMs} ms of ${totalMs}, ${JSON.stringify(times)}`);
      return { ...LARGE, bareMs, moveMs, totalMs, times, rounds: sides };
    } finally {
      await stage.close();
    }
  } finally {
    await temporal.stop();
  }
}

async function engineResult(engine: EngineName): Promise<void> {
  const small = await compare(engine, '275,000 keys', SMALL);
  const large = await compare(engine, '1.2 GB', LARGE);
  const verb = await compareVerb(engine);
  const { version } = await requireEngine(engine);
  writeResult(`atomic-${engine}`, { engine: version, rounds, slots: SLOTS, small, large, verb });
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  'redis-8.6': () => engineResult('redis-8.6'),
  'valkey-9.1': () => engineResult('valkey-9.1'),
  'valkey-jobs': async () => {
    const { version } = await requireEngine('valkey-9.1');
    writeResult('atomic-valkey-jobs', { engine: version, rounds, slots: SLOTS, ...(await jobSizes()) });
  },
};

const named = process.argv.slice(2);
for (const name of named.length === 0 ? Object.keys(PARTS) : named) {
  const part = PARTS[name];
  if (part === undefined) throw new Error(`no part ${name}; there are ${Object.keys(PARTS).join(', ')}`);
  await part();
}
process.exit(0);
