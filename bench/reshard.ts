/**
 * Slots moved while clients work, side by side in one run, alternating on the same cluster with the same data: `redis-cli --cluster` (its default pipeline of 10,
 * and larger ones) against our verbs, CLI, plan, Temporal and proof included, with the time of the move itself apart. One pair of masters, idle and under steady
 * writes; then three sources and a master that has nothing. Ours goes key by key; where the engine moves slots by itself, that way, too.
 *
 *   npx tsx bench/reshard.ts [engine…]     engines of the lab, such as redis-8.6; those that the README names where none is given
 */
import { ENGINE_NAMES, type EngineName } from '../lab/engines.js';
import { startTestTemporal } from '../test/support/temporal.js';
import { MIXED } from './support/fill.js';
import { bestOf, type Moved, words } from './support/moved.js';
import { openMoveStage, type MoveStage } from './support/move-stage.js';
import { ratio, writeResult } from './support/result.js';

const KEYS = Number(process.env['BENCH_KEYS'] ?? 1_100_000);
const SLOTS = 4096;
const PIPELINES = { default: 10, larger: [100, 1000] };
const ENGINES = ['redis-7.0', 'redis-8.6', 'valkey-8.1', 'valkey-9.1'];

interface Compared {
  readonly redisCli: Readonly<Record<string, Moved>>;
  readonly redisForge: Readonly<Record<string, readonly Moved[]>>;
  /** How many times longer redis-cli takes. */
  readonly times: Readonly<Record<'overDefault' | 'overBest' | 'overDefaultAllIncluded', number>>;
}

const named = process.argv.slice(2);
const engines: EngineName[] = (named.length === 0 ? ENGINES : named).map((name) => {
  const engine = ENGINE_NAMES.find((known) => known === name);
  if (engine === undefined) throw new Error(`no engine ${name}; there are ${ENGINE_NAMES.join(', ')}`);
  return engine;
});
const temporal = await startTestTemporal();
try {
  for (const engine of engines) await compare(engine);
} finally {
  await temporal.stop();
}

async function compare(engine: EngineName): Promise<void> {
  const stage = await openMoveStage({ temporalAddress: temporal.address, engine, keys: KEYS, values: MIXED });
  try {
    await stage.drain();
    const { compared: idle, best } = await idlePair(stage);
    const loaded = await loadedPair(stage, best);
    const fill = await fillEmpty(stage, best);
    const { version } = stage.engine;
    writeResult(`reshard-${engine}`, { engine: version, keys: KEYS, slots: SLOTS, pair: { idle, loaded }, fill });
  } finally {
    await stage.close();
  }
}

/** There by the one, and back by the other; the larger pipeline that was quickest is used from then on. */
async function idlePair(stage: MoveStage): Promise<{ compared: Compared; best: number }> {
  const theirs: Record<string, Moved> = {};
  const ours: Moved[] = [];
  for (const pipeline of [PIPELINES.default, ...PIPELINES.larger]) {
    theirs[`pipeline${pipeline}`] = await stage.cliReshard(SLOTS, pipeline);
    ours.push(await stage.reshard(SLOTS, 'keys'));
  }
  const timeOf = (pipeline: number) => theirs[`pipeline${pipeline}`]?.totalMs ?? Number.POSITIVE_INFINITY;
  const [best = PIPELINES.default] = [...PIPELINES.larger].sort((a, b) => timeOf(a) - timeOf(b));
  const atomic = stage.movesSlotsItself ? [await stage.reshard(SLOTS, 'auto'), await stage.reshard(SLOTS, 'auto')] : [];
  return { best, compared: told('pair, idle', theirs, { keys: ours, atomic }, best) };
}

/** With a third run of ours, held to the speed of the default: what clients see at the same speed. */
async function loadedPair(stage: MoveStage, best: number): Promise<Compared> {
  const theirs: Record<string, Moved> = {};
  theirs[`pipeline${PIPELINES.default}`] = await stage.underWrites(() => stage.cliReshard(SLOTS, PIPELINES.default));
  const keys = [await stage.underWrites(() => stage.reshard(SLOTS, 'keys'))];
  const defaultMs = theirs[`pipeline${PIPELINES.default}`]?.totalMs ?? Number.NaN;
  const perSecond = Math.round((KEYS * SLOTS * 1000) / 16_384 / defaultMs);
  const asSlow = [await stage.underWrites(() => stage.reshard(SLOTS, 'keys', perSecond))];
  keys.push(await stage.underWrites(() => stage.reshard(SLOTS, 'keys')));
  theirs[`pipeline${best}`] = await stage.underWrites(() => stage.cliReshard(SLOTS, best));
  if (!stage.movesSlotsItself) await stage.reshard(SLOTS, 'keys');
  const atomic = stage.movesSlotsItself ? [await stage.underWrites(() => stage.reshard(SLOTS, 'auto'))] : [];
  return told('pair, 2000 writes a second', theirs, { keys, asSlowAsDefault: asSlow, atomic }, best);
}

/** Three masters fill a fourth. */
async function fillEmpty(stage: MoveStage, best: number): Promise<Compared> {
  const theirs: Record<string, Moved> = {};
  const ours: Moved[] = [];
  for (const pipeline of [PIPELINES.default, best]) {
    await stage.drain();
    theirs[`pipeline${pipeline}`] = await stage.cliRebalance(pipeline);
    await stage.drain();
    ours.push(await stage.rebalance('keys'));
  }
  if (stage.movesSlotsItself) await stage.drain();
  const atomic = stage.movesSlotsItself ? [await stage.rebalance('auto')] : [];
  return told('three sources, idle', theirs, { keys: ours, atomic }, best);
}

function told(
  title: string,
  redisCli: Compared['redisCli'],
  redisForge: Compared['redisForge'] & { readonly keys: readonly Moved[] },
  best: number,
): Compared {
  const our = bestOf(redisForge.keys);
  const timeOf = (pipeline: number) => redisCli[`pipeline${pipeline}`]?.totalMs ?? Number.NaN;
  const times = {
    overDefault: ratio(timeOf(PIPELINES.default), our.moveMs),
    overBest: ratio(timeOf(best), our.moveMs),
    overDefaultAllIncluded: ratio(timeOf(PIPELINES.default), our.totalMs),
  };
  console.log(title);
  for (const [name, moved] of Object.entries(redisCli)) console.log(`  redis-cli, ${name}: ${words(moved)}`);
  for (const [name, all] of Object.entries(redisForge))
    for (const moved of all) console.log(`  RedisForge, ${name}: ${words(moved)}`);
  console.log(
    `  key by key ${times.overDefault}x of the default, ${times.overBest}x of the best, all included ${times.overDefaultAllIncluded}x`,
  );
  return { redisCli, redisForge, times };
}
