import { Cluster } from 'ioredis';
import { valueOf, withNode } from '../../activities/redis/connection.js';
import { Secret } from '../../config/secrets.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { SlotRange } from '../../domain/slots.js';
import type { NodeStatus } from '../../domain/verdict.js';
import { type Engine, type EngineName, requireEngine } from '../../lab/engines.js';
import { cliOf } from '../../test/support/proof.js';
import { openReshapeStage, type ReshapeStage } from '../../test/support/reshape-stage.js';
import { agreement, clusterCli } from './cluster-cli.js';
import { type BareMove, type BareNodes, moveBare } from './bare-engine.js';
import { fillOwners, keysWithin, type Values } from './fill.js';
import { type Moved, moveSpan, type Span } from './moved.js';
import { watchStalls } from './stalls.js';

/** How ours moves: key by key, or by the best that the engine can. */
export type Mover = 'keys' | 'auto';

const MASTERS = 4;
const WRITES_PER_SECOND = 2000;
const WATCHED_KEYS = 200;
/** Emptying the fourth master is not measured, and is to be quick. Some fifty slots stay: a master without any is not what the spec wants. */
const DRAIN_PIPELINE = 1000;
const DRAINED_WEIGHT = 0.01;

/** Moves of one pair of masters: the first so many slots go to and fro. */
const FIRST_SLOT = 0;

interface Timed extends Moved {
  readonly span: Span;
}

export interface MoveStageRequest {
  readonly temporalAddress: string;
  readonly engine: EngineName;
  readonly keys: number;
  readonly values: Values;
  /** Where the keys are; in all slots where nothing is said. */
  readonly within?: SlotRange;
}

/** A cluster of four masters with data, and the ways to move its slots. */
export interface MoveStage {
  readonly engine: Engine;
  /** Whether the engine moves slots by itself. */
  readonly movesSlotsItself: boolean;
  /** Gives nearly all slots of the fourth master to the others. */
  drain(): Promise<void>;
  cliReshard(slots: number, pipeline: number): Promise<Timed>;
  cliRebalance(pipeline: number): Promise<Timed>;
  reshard(slots: number, how: Mover, keysPerSecond?: number): Promise<Timed>;
  rebalance(how: Mover): Promise<Timed>;
  /** By the engine itself, told by a short script. */
  bareReshard(slots: number): Promise<Timed>;
  /** With clients beside it, whose every write is read back afterwards. */
  underWrites(move: () => Promise<Timed>): Promise<Moved>;
  close(): Promise<void>;
}

export async function openMoveStage(request: MoveStageRequest): Promise<MoveStage> {
  const { temporalAddress, engine: name, ...data } = request;
  const engine = await requireEngine(name);
  const stage = await openReshapeStage({
    ...{ temporalAddress, name: 'bench', engine: name, shape: { masters: MASTERS, replicasPerMaster: 1 } },
    change: (document) => {
      document.setIn(['redis', 'maxmemory'], '4gb');
      document.set('persistence', { data: 'cache', appendonly: false, save: '' });
      document.setIn(['timings', 'moveBatch'], '60s');
    },
  });
  try {
    await stage.startWorker();
    const { exitCode, stderr } = await stage.operate(['apply']);
    if (exitCode !== 0) throw new Error(stderr);
    const masters = await mastersOf(stage);
    await fillOwners({ owners: masters, user: 'app', password: new Secret(await stage.secret('app')), ...data });
    return await stageOf(stage, engine, masters);
  } catch (error) {
    await stage.close();
    throw error;
  }
}

async function stageOf(stage: ReshapeStage, engine: Engine, masters: readonly NodeStatus[]): Promise<MoveStage> {
  const [entry] = declaredNodes(stage.spec);
  const [a, b, , d] = masters;
  if (a === undefined || b === undefined || d === undefined) throw new Error('there are not four masters');
  const password = await stage.secret('admin');
  const cli = clusterCli({ entry: `${entry?.address}:${entry?.port}`, password, program: cliOf(engine) });
  const specOf = (how: Mover, keysPerSecond?: number) =>
    stage.specWith({
      change: (document) => {
        document.setIn(['moves', 'mover'], how);
        if (keysPerSecond !== undefined) document.setIn(['moves', 'maxKeysPerSecond'], keysPerSecond);
      },
    });
  const ends = async () => {
    const owner = (await mastersOf(stage)).find(({ slots }) => slots.some(([from]) => from === FIRST_SLOT));
    return owner?.id === a.id ? { from: a, to: b } : { from: b, to: a };
  };
  const pipelined = (pipeline: number) => ['--cluster-pipeline', `${pipeline}`];
  return {
    engine,
    movesSlotsItself:
      (engine.kind === 'redis' && engine.version >= '8.4') || (engine.kind === 'valkey' && engine.version >= '9'),
    drain: async () => {
      await agreement(cli);
      await cli('rebalance', ['--cluster-weight', `${d.id}=${DRAINED_WEIGHT}`, ...pipelined(DRAIN_PIPELINE)]);
      await agreement(cli);
    },
    cliReshard: async (slots, pipeline) => {
      const { from, to } = await ends();
      const way = ['--cluster-from', from.id ?? '', '--cluster-to', to.id ?? '', '--cluster-slots', `${slots}`];
      await agreement(cli);
      return timed(() => cli('reshard', [...way, ...pipelined(pipeline)]));
    },
    cliRebalance: async (pipeline) => {
      await agreement(cli);
      return timed(() => cli('rebalance', ['--cluster-threshold', '1', ...pipelined(pipeline)]));
    },
    reshard: async (slots, how, keysPerSecond) => {
      const { to } = await ends();
      const verb = ['reshard', '--slots', `${FIRST_SLOT}-${FIRST_SLOT + slots - 1}`, '--to', to.name];
      const file = await specOf(how, keysPerSecond);
      await agreement(cli);
      return byUs(stage, verb, file);
    },
    rebalance: async (how) => {
      const file = await specOf(how);
      await agreement(cli);
      return byUs(stage, ['rebalance', '--threshold', '1'], file);
    },
    bareReshard: async (slots) => {
      const { from, to } = await ends();
      const move: BareMove = { from: from.name, to: to.name, ranges: [[FIRST_SLOT, FIRST_SLOT + slots - 1]] };
      await agreement(cli);
      return timed(
        async () => void (await moveBare({ kind: engine.kind, pipeline: asAdmin(masters, password) }, move)),
      );
    },
    underWrites: (move) => underWrites(stage, move),
    close: () => stage.close(),
  };
}

function asAdmin(masters: readonly NodeStatus[], password: string): BareNodes['pipeline'] {
  const credentials = { user: 'admin', password: new Secret(password) };
  return async (name, commands) => {
    const node = masters.find((one) => one.name === name);
    if (node === undefined) throw new Error(`no master ${name}`);
    const target = { address: node.address, port: node.port, credentials, timeoutMs: 30_000 };
    return withNode(target, async (open) => (await open.pipeline(commands)).map((reply) => valueOf(reply)));
  };
}

async function timed(work: () => Promise<void>): Promise<Timed> {
  const [from, startedAt] = [Date.now(), performance.now()];
  await work();
  const totalMs = Math.round(performance.now() - startedAt);
  return { totalMs, moveMs: totalMs, span: { from, to: from + totalMs } };
}

async function byUs(stage: ReshapeStage, verb: readonly string[], file: string): Promise<Timed> {
  const [from, startedAt] = [Date.now(), performance.now()];
  const { exitCode, report, stderr } = await stage.operate(verb, file);
  const totalMs = Math.round(performance.now() - startedAt);
  if (exitCode !== 0 || report === null) throw new Error(stderr);
  const span = moveSpan(report);
  const [begunAt, endedAt] = [Date.parse(report.startedAt), Date.parse(report.endedAt)];
  const rest = { planMs: begunAt - from, beforeMs: span.from - begunAt, proofMs: endedAt - span.to };
  return { totalMs, moveMs: span.to - span.from, rest, span };
}

async function underWrites(stage: ReshapeStage, move: () => Promise<Timed>): Promise<Moved> {
  const ledger = await stage.ledger({ perSecond: WRITES_PER_SECOND });
  const client = new Cluster(
    declaredNodes(stage.spec).map(({ address, port }) => ({ host: address, port })),
    { redisOptions: { username: 'app', password: await stage.secret('app'), protocol: 2 } },
  );
  client.on('error', () => undefined);
  try {
    let moved: Timed | undefined;
    const range: SlotRange = [FIRST_SLOT, FIRST_SLOT + 4095];
    const seen = await watchStalls(client, keysWithin(range, WATCHED_KEYS), async () => void (moved = await move()));
    const { errors, losses } = await ledger.verify();
    if (losses.length > 0) throw new Error(`writes were lost: ${JSON.stringify(losses.slice(0, 3))}`);
    await ledger.clear();
    if (moved === undefined) throw new Error('nothing was moved');
    const { span, ...own } = moved;
    return { ...own, clients: { ...seen.between(span.from, span.to), errors: errors + seen.errors } };
  } finally {
    client.disconnect();
    await ledger.close();
  }
}

/** By the first of their slots. */
export async function mastersOf(stage: ReshapeStage): Promise<NodeStatus[]> {
  const first = ({ slots }: NodeStatus) => slots[0]?.[0] ?? 0;
  const nodes = await stage.nodes();
  return nodes.filter(({ role, slots }) => role === 'master' && slots.length > 0).sort((x, y) => first(x) - first(y));
}
