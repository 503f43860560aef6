import type { Lanes } from './atomic-schedule.js';
import type { MovesSpec } from './spec.js';

/** What an engine bears, and what its tasks cost its clients. */
export interface AtomicLimits {
  readonly lanes: Lanes;
  /** Of one task, at the most. */
  readonly keys: number;
  readonly bytes: number;
  /**
   * What makes clients wait. `keys`: the source takes the keys that have gone away one by one, so that smaller tasks mean shorter waits. `start`: each
   * task begins with a fork, however small it is, so that only fewer of them in a time help.
   */
  readonly stalledBy: 'keys' | 'start';
}

/**
 * Redis: one task a node. A task costs 0.1 s beside its data, a fork among it, so it is as large as a person would want to wait for: at 200 MB/s a gigabyte takes five
 * seconds.
 */
export const REDIS_LIMITS: AtomicLimits = {
  lanes: { node: 1, source: 1, target: 1 },
  keys: 8_000_000,
  bytes: 2 ** 30,
  stalledBy: 'start',
};

/**
 * Valkey: when a source hears of the new owner it deletes the keys that have gone, one by one, each with a DEL for its replicas, and answers nobody meanwhile: 0.5
 * to 1 µs a key. bench/README.md has the table. A job costs some 0.2 s beside its data, so that two at a time keep a source busy: one streams while the other
 * hands over.
 */
export const VALKEY_LIMITS: AtomicLimits = {
  lanes: { node: 6, source: 2, target: 4 },
  keys: 64_000,
  bytes: 256 * 2 ** 20,
  stalledBy: 'keys',
};

/** How tasks are cut and spaced from here on. */
export interface Pace {
  /** Of one task, at the most. */
  readonly keys: number;
  /** Between the end of a task and the next one. */
  readonly restMs: number;
  /** How many times longer tasks took than estimated; `null` before the first. */
  readonly slowness: number | null;
}

export function firstPace(limits: AtomicLimits): Pace {
  return { keys: limits.keys, restMs: 0, slowness: null };
}

/** What a task of so much costs on a machine of two cores, in milliseconds: beside the fixed part, keys by their number and by their size. */
export function taskMs({ keys, bytes }: { readonly keys: number; readonly bytes: number }): number {
  return FIXED_MS + keys * MS_PER_KEY + bytes * MS_PER_BYTE;
}

const FIXED_MS = 150;
const MS_PER_KEY = 1 / 1000;
const MS_PER_BYTE = 1 / 250_000;

/** The first task of a call shows how quick it goes here; nobody should wait long for it where that is slow. */
const FIRST_TASK_BYTES = 128 * 2 ** 20;

export interface TaskRoom {
  readonly limits: AtomicLimits;
  readonly pace: Pace;
  readonly rules: Pick<MovesSpec, 'maxKeysPerSecond'>;
  /** On average, of the node that gives them away. */
  readonly bytesPerKey: number;
  /** Until the mover has to look up. */
  readonly timeMs: number;
}

/** How many keys the next task may hold. It ends in time, as far as that can be said, and holds no more than a second's share of the allowed rate. */
export function keysOfNextTask({ limits, pace, rules, bytesPerKey, timeMs }: TaskRoom): number {
  const bytes = pace.slowness === null ? Math.min(limits.bytes, FIRST_TASK_BYTES) : limits.bytes;
  const msPerKey = (MS_PER_KEY + bytesPerKey * MS_PER_BYTE) * (pace.slowness ?? 1);
  const inTime = (timeMs - FIXED_MS) / msPerKey;
  const allowed = rules.maxKeysPerSecond ?? Number.POSITIVE_INFINITY;
  return Math.max(1, Math.floor(Math.min(pace.keys, bytes / Math.max(1, bytesPerKey), inTime, allowed)));
}

/** A task that has ended, and what clients saw meanwhile. */
export interface TaskSeen {
  readonly keys: number;
  readonly bytes: number;
  readonly tookMs: number;
  readonly p99Ms: number | null;
}

/** With a target for what clients see: smaller tasks, or longer rests, where they saw more; back to the old measure where it was less than half. */
export function nextPace({
  pace,
  limits,
  seen,
  targetP99Ms,
}: {
  readonly pace: Pace;
  readonly limits: AtomicLimits;
  readonly seen: TaskSeen;
  readonly targetP99Ms: number | null;
}): Pace {
  const ratio = Math.min(MOST_SLOWNESS, Math.max(LEAST_SLOWNESS, seen.tookMs / taskMs(seen)));
  const slowness = pace.slowness === null ? ratio : (pace.slowness + ratio) / 2;
  if (targetP99Ms === null || seen.p99Ms === null) return { ...pace, slowness };
  if (seen.p99Ms > targetP99Ms) return { ...slower(pace, limits), slowness };
  if (seen.p99Ms * 2 < targetP99Ms) return { ...quicker(pace, limits), slowness };
  return { ...pace, slowness };
}

const LEAST_SLOWNESS = 0.1;
const MOST_SLOWNESS = 1000;
const FEWEST_KEYS = 500;
const SHORTEST_REST_MS = 100;
const LONGEST_REST_MS = 5000;

function slower({ keys, restMs }: Pace, { stalledBy }: AtomicLimits): Omit<Pace, 'slowness'> {
  if (stalledBy === 'keys' && keys > FEWEST_KEYS) return { keys: Math.max(FEWEST_KEYS, Math.floor(keys / 2)), restMs };
  return { keys, restMs: Math.min(LONGEST_REST_MS, Math.max(SHORTEST_REST_MS, restMs * 2)) };
}

function quicker({ keys, restMs }: Pace, limits: AtomicLimits): Omit<Pace, 'slowness'> {
  if (restMs > 0) return { keys, restMs: restMs <= SHORTEST_REST_MS ? 0 : Math.floor(restMs / 2) };
  return { keys: Math.min(limits.keys, Math.ceil(keys * 1.5)), restMs };
}
