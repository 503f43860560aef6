import type { SourceLoad } from '../../../domain/atomic-pace.js';
import type { Chunk, SlotLoad } from '../../../domain/atomic-schedule.js';
import type { AtomicTask } from '../../../domain/atomic-tasks.js';
import { formatRanges } from '../../../domain/slots.js';
import type { AtomicEngine } from './atomic-engine.js';
import { type AtomicNodes, ownsAll, ownsAny } from './atomic-nodes.js';
import type { MovingMaster, Transfer } from './mover.js';
import type { Room } from './room.js';

/** Two masters, and what is left to be moved between them. */
export interface PairWork {
  readonly transfer: Transfer;
  readonly source: SourceLoad;
  left: readonly SlotLoad[];
  /** No task is begun before; by `performance.now()`. */
  notBefore: number;
  /** Tasks that failed since the last one that did not. */
  failures: number;
}

/** A task of the engine that this move has begun, or has found. */
export interface Running {
  readonly pair: PairWork;
  readonly chunk: Chunk;
  readonly startedAt: number;
  readonly estimateMs: number;
  readonly firstOfCall: boolean;
  /** An earlier attempt began it. */
  readonly adopted: boolean;
  /** `null` until it has been seen. */
  id: string | null;
  /** As often it had been begun again when it was seen first. */
  retriesBefore: number | null;
  /** Since when only one end knows of the new owner. */
  betweenSince: number | null;
}

export interface Tools {
  readonly engine: AtomicEngine;
  readonly nodes: AtomicNodes;
  /** What a target has left. Redis takes what a task brings beyond all limits, and then refuses its clients. */
  readonly roomOf: (target: string) => Room;
}

/** The end that is told what to do. */
export function askedEnd({ asked }: AtomicEngine, { from, to }: Transfer): MovingMaster {
  return asked === 'target' ? to : from;
}

export function otherEnd({ asked }: AtomicEngine, { from, to }: Transfer): MovingMaster {
  return asked === 'target' ? from : to;
}

/** A running task among those of the node that was told to begin it: by its ID, or else the newest one that moves the same. */
export function findTask(running: Running, tasks: readonly AtomicTask[], engine: AtomicEngine): AtomicTask | undefined {
  const { id, chunk, pair } = running;
  if (id !== null) return tasks.find((task) => task.id === id);
  const ranges = formatRanges(chunk.ranges);
  return tasks.find(
    (task) =>
      task.side === engine.askedSide && task.targetId === pair.transfer.to.id && formatRanges(task.ranges) === ranges,
  );
}

/** Who owns the slots of a task by the own words of its two ends. */
export type Whereabouts =
  | 'target'
  | 'source'
  /** The target has them, and the source has not heard of it yet. */
  | 'between'
  /** Neither end has them all: somebody else came in between. */
  | 'elsewhere'
  /** One end is silent for a moment. */
  | 'unknown';

/** @throws MoveTrouble; ForgeError Fenced */
export async function whereabouts({ pair, chunk }: Running, { nodes }: Pick<Tools, 'nodes'>): Promise<Whereabouts> {
  const { from, to } = pair.transfer;
  const [source, target] = await Promise.all([nodes.ownWords(from.name), nodes.ownWords(to.name)]);
  if (source === null || target === null) return 'unknown';
  if (source.id !== from.id || target.id !== to.id) return 'elsewhere';
  if (ownsAll(target, chunk.ranges)) return ownsAny(source, chunk.ranges) ? 'between' : 'target';
  return ownsAll(source, chunk.ranges) ? 'source' : 'elsewhere';
}
