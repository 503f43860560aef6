/**
 * Slots moved while clients work, side by side in one run, alternating on the same cluster with the same data: `redis-cli --cluster` (its default pipeline of 10,
 * and 100) against our verbs, CLI, plan, Temporal and proof included, with the time of the move itself apart. One pair of masters, idle and under steady writes,
 * whose own latency is what clients see; then three sources and a master that has nothing.
 *
 *   npx tsx bench/reshard.ts [engine…]     engines of the lab, such as redis-8.6; this machine's redis-server where none is named
 */
import type { NodeStatus } from '../domain/verdict.js';
import { ENGINE_NAMES, type EngineName } from '../lab/engines.js';
import { openReshapeStage, type ReshapeStage } from '../test/support/reshape-stage.js';
import { startTestTemporal } from '../test/support/temporal.js';
import { clusterCli } from './support/cluster-cli.js';
import { ratio, writeResult } from './support/result.js';

const KEYS = Number(process.env['BENCH_KEYS'] ?? 1_100_000);
const SLOTS = 4096;
const WRITES_PER_SECOND = 2000;

interface Moved {
  /** As long as a person waits. */
  readonly totalMs: number;
  /** The move alone; the rest is plan, leases and proof. */
  readonly moveMs: number;
  /** Of the steady writes, where there were any. */
  readonly client?: { readonly p99Ms: number; readonly maxMs: number; readonly errors: number };
}

const engines: (EngineName | undefined)[] = process.argv.slice(2).map((name) => {
  const engine = ENGINE_NAMES.find((known) => known === name);
  if (engine === undefined) throw new Error(`no engine ${name}; there are ${ENGINE_NAMES.join(', ')}`);
  return engine;
});
const temporal = await startTestTemporal();
try {
  for (const engine of engines.length === 0 ? [undefined] : engines) await compare(engine);
} finally {
  await temporal.stop();
}

async function compare(engine: EngineName | undefined): Promise<void> {
  const pair = await onCluster(engine, 3, async (stage) => {
    const idle = await pairs(stage, 'pair, idle', (work) => work());
    const loaded = await pairs(stage, `pair, ${WRITES_PER_SECOND} writes a second`, (work) => underWrites(stage, work));
    return { idle, loaded };
  });
  const fill = await onCluster(engine, 4, (stage) => fills(stage));
  writeResult(`reshard-${engine ?? 'redis-7.0'}`, { keys: KEYS, slots: SLOTS, pair, fill });
}

async function onCluster<T>(
  engine: EngineName | undefined,
  count: number,
  use: (stage: ReshapeStage) => Promise<T>,
): Promise<T> {
  const stage = await openReshapeStage({
    temporalAddress: temporal.address,
    name: `bench-${count}`,
    shape: { masters: count, replicasPerMaster: 1 },
    ...(engine === undefined ? {} : { engine }),
    change: (document) => {
      document.setIn(['redis', 'maxmemory'], '2gb');
      document.set('persistence', { data: 'cache', appendonly: false, save: '' });
      document.setIn(['timings', 'moveBatch'], '5s');
    },
  });
  try {
    await stage.startWorker();
    const { exitCode, stderr } = await stage.operate(['apply']);
    if (exitCode !== 0) throw new Error(stderr);
    await stage.fill(KEYS);
    return await use(stage);
  } finally {
    await stage.close();
  }
}

type Surroundings = (work: () => Promise<Moved>) => Promise<Moved>;

/** There by the one, and back by the other. */
async function pairs(stage: ReshapeStage, title: string, within: Surroundings) {
  const [a, b] = await masters(stage);
  if (a === undefined || b === undefined) throw new Error('no masters');
  const cli = await clusterCli(stage);
  const theirs = (pipeline: number) =>
    within(() =>
      timed(() =>
        cli(
          ['reshard'],
          [
            '--cluster-from',
            a.id ?? '',
            '--cluster-to',
            b.id ?? '',
            '--cluster-slots',
            `${SLOTS}`,
            '--cluster-pipeline',
            `${pipeline}`,
          ],
        ),
      ),
    );
  const ours = () => within(() => byUs(stage, ['reshard', '--slots', `0-${SLOTS - 1}`, '--to', a.name]));
  return alternating(title, theirs, ours);
}

/** Three masters fill a fourth, which the faster way emptied before. */
async function fills(stage: ReshapeStage) {
  const [empty] = await masters(stage);
  const cli = await clusterCli(stage);
  const drain = () => cli(['rebalance'], ['--cluster-weight', `${empty?.id}=0`, '--cluster-pipeline', '100']);
  const theirs = async (pipeline: number) => {
    await drain();
    return timed(() =>
      cli(
        ['rebalance'],
        ['--cluster-use-empty-masters', '--cluster-threshold', '0', '--cluster-pipeline', `${pipeline}`],
      ),
    );
  };
  const ours = async () => {
    await drain();
    return byUs(stage, ['rebalance', '--threshold', '0']);
  };
  return alternating('three sources, idle', theirs, ours);
}

async function alternating(title: string, theirs: (pipeline: number) => Promise<Moved>, ours: () => Promise<Moved>) {
  const byDefault = await theirs(10);
  const first = await ours();
  const best = await theirs(100);
  const second = await ours();
  const our = first.moveMs < second.moveMs ? first : second;
  const times = {
    overDefault: ratio(byDefault.totalMs, our.moveMs),
    overBest: ratio(best.totalMs, our.moveMs),
    overDefaultAllIncluded: ratio(byDefault.totalMs, our.totalMs),
  };
  const words = (one: Moved) =>
    `${one.moveMs} ms of ${one.totalMs}${one.client === undefined ? '' : `, clients p99 ${one.client.p99Ms} ms, max ${one.client.maxMs}, ${one.client.errors} errors`}`;
  console.log(`${title}: redis-cli ${words(byDefault)}; with pipeline 100 ${words(best)}; RedisForge ${words(our)}`);
  console.log(
    `  ${times.overDefault}x of the default, ${times.overBest}x of the best, all included ${times.overDefaultAllIncluded}x`,
  );
  return { redisCli: { default: byDefault, pipeline100: best }, redisForge: [first, second], times };
}

async function timed(work: () => Promise<void>): Promise<Moved> {
  const startedAt = performance.now();
  await work();
  const totalMs = Math.round(performance.now() - startedAt);
  return { totalMs, moveMs: totalMs };
}

async function byUs(stage: ReshapeStage, verb: readonly string[]): Promise<Moved> {
  const startedAt = performance.now();
  const { exitCode, report, stderr } = await stage.operate(verb);
  if (exitCode !== 0 || report === null) throw new Error(stderr);
  const step = report.steps.find(({ id }) => id === 'moveSlots');
  if (step?.startedAt === undefined || step.endedAt === undefined) throw new Error(`nothing was moved:\n${stderr}`);
  return {
    totalMs: Math.round(performance.now() - startedAt),
    moveMs: Date.parse(step.endedAt) - Date.parse(step.startedAt),
  };
}

/** With clients of its own, whose every write is read back afterwards. */
async function underWrites(stage: ReshapeStage, work: () => Promise<Moved>): Promise<Moved> {
  const ledger = await stage.ledger({ perSecond: WRITES_PER_SECOND });
  try {
    const moved = await work();
    const { latency, errors, losses } = await ledger.verify();
    if (losses.length > 0) throw new Error(`writes were lost: ${JSON.stringify(losses.slice(0, 3))}`);
    await ledger.clear();
    return { ...moved, client: { p99Ms: latency.p99, maxMs: latency.max, errors } };
  } finally {
    await ledger.close();
  }
}

async function masters(stage: ReshapeStage): Promise<NodeStatus[]> {
  const nodes = await stage.nodes();
  const first = ({ slots }: NodeStatus) => slots[0]?.[0] ?? 0;
  return nodes.filter(({ role, slots }) => role === 'master' && slots.length > 0).sort((a, b) => first(a) - first(b));
}
