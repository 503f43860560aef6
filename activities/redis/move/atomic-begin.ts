import { keysOfNextTask, type Pace, taskMs } from '../../../domain/atomic-pace.js';
import { type Chunk, pairsToStart, takeChunk } from '../../../domain/atomic-schedule.js';
import type { AtomicTask } from '../../../domain/atomic-tasks.js';
import type { MovesSpec } from '../../../domain/spec.js';
import { silenceOf } from '../silence.js';
import { askedEnd, type PairWork, type Running, type Tools } from './atomic-task.js';

/** A pair that cannot begin is asked again after this: the child of the task before may not be laid to rest yet. */
const NOT_READY_MS = 50;

export interface BeginRequest {
  readonly pairs: readonly PairWork[];
  readonly running: readonly Running[];
  readonly pace: Pace;
  readonly rules: MovesSpec;
  /** When the mover has to look up, by `performance.now()`. */
  readonly until: number;
  /** Whether this call has begun one already. */
  readonly begunBefore: boolean;
}

/** A task that was told to begin, or was refused with the node's own words. */
export interface Begun {
  readonly running: Running;
  readonly refusal: string | null;
}

/**
 * Begins what may begin now: both ends free and ready, and no rest to be kept. A reply that is lost does no harm: the task is found by what it moves.
 * @throws MoveTrouble; ForgeError Fenced
 */
export async function beginTasks(request: BeginRequest, tools: Tools): Promise<Begun[]> {
  const begun: Begun[] = [];
  const ready = new Map<PairWork, boolean>();
  for (const index of pickPairs(request, tools)) {
    const pair = request.pairs[index];
    if (pair === undefined || pair.left.length === 0) continue;
    const isReady = ready.get(pair) ?? (await isReadyToMove(pair, tools));
    ready.set(pair, isReady);
    if (isReady)
      begun.push(await begin(pair, { ...request, begunBefore: request.begunBefore || begun.length > 0 }, tools));
    else pair.notBefore = performance.now() + NOT_READY_MS;
  }
  return begun;
}

function pickPairs({ pairs, running }: BeginRequest, { engine }: Tools): number[] {
  const now = performance.now();
  return pairsToStart(
    pairs.map((pair) => ({
      from: pair.transfer.from.name,
      to: pair.transfer.to.name,
      leftSlots: pair.left.length,
      leftKeys: pair.left.reduce((sum, { keys }) => sum + keys, 0),
      running: running.filter((one) => one.pair === pair).length,
      ready: now >= pair.notBefore,
    })),
    engine.limits.lanes,
  );
}

/** Nothing holds the source from forking, and the target's replicas keep up with it. */
async function isReadyToMove({ transfer }: PairWork, { nodes }: Tools): Promise<boolean> {
  const reasons = await Promise.all([nodes.whyNotGive(transfer.from.name), nodes.whyNotGet(transfer.to.name)]);
  return reasons.every((reason) => reason === null);
}

/** @throws MoveTrouble where it does not fit into the target, too */
async function begin(pair: PairWork, request: BeginRequest, { engine, nodes, roomOf }: Tools): Promise<Begun> {
  const { pace, rules, until, begunBefore } = request;
  const maxKeys = keysOfNextTask({
    limits: engine.limits,
    pace,
    rules,
    source: pair.source,
    timeMs: until - performance.now(),
  });
  const { chunk, left } = takeChunk(pair.left, maxKeys);
  const { transfer } = pair;
  await roomOf(transfer.to.name).reserve(weightOf(pair, chunk).bytes);
  pair.left = left;
  const running: Running = {
    pair,
    chunk,
    startedAt: performance.now(),
    estimateMs: taskMs(weightOf(pair, chunk)) * (pace.slowness ?? 1),
    firstOfCall: !begunBefore,
    adopted: false,
    id: null,
    retriesBefore: null,
    betweenSince: null,
  };
  const replies = await nodes.ask(askedEnd(engine, transfer).name, [
    engine.begin({ ranges: chunk.ranges, targetId: transfer.to.id }),
  ]);
  const reply = replies?.[0];
  if (reply?.ok === false) return { running, refusal: silenceOf(reply.error).detail };
  running.id = reply === undefined ? null : engine.idIn(reply.value);
  return { running, refusal: null };
}

/** A task that an earlier attempt began. How long it has been going on is not known. */
export function foundTask(pair: PairWork, chunk: Chunk, task: AtomicTask): Running {
  return {
    pair,
    chunk,
    startedAt: performance.now(),
    estimateMs: taskMs(weightOf(pair, chunk)),
    firstOfCall: true,
    adopted: true,
    id: task.id,
    retriesBefore: null,
    betweenSince: null,
  };
}

export function weightOf(
  { source: { bytesPerKey } }: PairWork,
  { keys }: Chunk,
): { readonly keys: number; readonly bytes: number } {
  return { keys, bytes: Math.round(keys * bytesPerKey) };
}
