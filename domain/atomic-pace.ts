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
  lanes: { source: 1, target: 1 },
  keys: Number.MAX_SAFE_INTEGER,
  bytes: 2 ** 30,
  stalledBy: 'start',
};

/**
 * Valkey: when a source hears of the new owner it deletes the keys that have gone, one by one, each with a DEL for its replicas, and answers nobody meanwhile: 0.5
 * to 1 µs a key. bench/README.md has the table. A job costs some 0.2 s beside its data, so that two at a time keep a source busy: one streams while the other
 * hands over.
 */
export const VALKEY_LIMITS: AtomicLimits = {
  lanes: { source: 2, target: 4 },
  keys: 64_000,
  bytes: 256 * 2 ** 20,
  stalledBy: 'keys',
};

/** A node that gives slots away. */
export interface SourceLoad {
  readonly usedBytes: number;
  /** On average. */
  readonly bytesPerKey: number;
  /** Its last fork; 0 where it never did. */
  readonly forkMs: number;
}

/** Both engines fork for each task, and a node answers nobody while it forks. What it says of its last one may be a busy moment's. */
const FORK_MS_PER_GIB = 20;
const MOST_FORK_MS_PER_GIB = 60;
const MS_PER_DELETED_KEY = 0.0007;
/** A whole node goes in so many tasks at the least, and in no more than so many, however large it is. */
const FEWEST_TASKS = 16;
const MOST_TASKS = 64;

/** The larger a node the longer its forks, so the larger its tasks: there is no use in waits that are shorter than the one for the fork. */
export function limitsOf(
  limits: AtomicLimits,
  { usedBytes, forkMs, bytesPerKey }: SourceLoad,
): AtomicLimits & { readonly leastBytes: number } {
  const gib = usedBytes / 2 ** 30;
  const fork = Math.min(Math.max(forkMs, gib * FORK_MS_PER_GIB), gib * MOST_FORK_MS_PER_GIB);
  const keys = Math.max(limits.keys, Math.floor(fork / MS_PER_DELETED_KEY));
  const bytes = Math.max(limits.bytes, usedBytes / FEWEST_TASKS);
  return { ...limits, keys, bytes, leastBytes: Math.min(usedBytes / MOST_TASKS, keys * bytesPerKey) };
}

/** How tasks are cut and spaced from here on. */
export interface Pace {
  /** Of the keys that a task may have. */
  readonly share: number;
  /** Between the end of a task and the next one. */
  readonly restMs: number;
  /** How many times longer tasks took than estimated; `null` before the first. */
  readonly slowness: number | null;
}

export const FIRST_PACE: Pace = { share: 1, restMs: 0, slowness: null };

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
  readonly source: SourceLoad;
  readonly pace: Pace;
  readonly rules: Pick<MovesSpec, 'maxKeysPerSecond'>;
  /** Until the mover has to look up. */
  readonly timeMs: number;
}

/** How many keys the next task may hold. It ends in time, as far as that can be said, and holds no more than a second's share of the allowed rate. */
export function keysOfNextTask({ limits, source, pace, rules, timeMs }: TaskRoom): number {
  const { bytesPerKey } = source;
  const { keys, bytes, leastBytes } = limitsOf(limits, source);
  const msPerKey = (MS_PER_KEY + bytesPerKey * MS_PER_BYTE) * (pace.slowness ?? 1);
  const known = pace.slowness === null ? Math.min(bytes, FIRST_TASK_BYTES) : bytes;
  const wanted = Math.min(known / bytesPerKey, (timeMs - FIXED_MS) / msPerKey);
  const most = Math.min(Math.max(FEWEST_KEYS, keys * pace.share), rules.maxKeysPerSecond ?? Number.POSITIVE_INFINITY);
  return Math.max(1, Math.floor(Math.min(most, Math.max(wanted, leastBytes / bytesPerKey))));
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
  if (seen.p99Ms * 2 < targetP99Ms) return { ...quicker(pace), slowness };
  return { ...pace, slowness };
}

const LEAST_SLOWNESS = 0.1;
const MOST_SLOWNESS = 1000;
const FEWEST_KEYS = 500;
const LEAST_SHARE = 1 / 128;
const SHORTEST_REST_MS = 100;
const LONGEST_REST_MS = 5000;

function slower({ share, restMs }: Pace, { stalledBy }: AtomicLimits): Omit<Pace, 'slowness'> {
  if (stalledBy === 'keys' && share > LEAST_SHARE) return { share: share / 2, restMs };
  return { share, restMs: Math.min(LONGEST_REST_MS, Math.max(SHORTEST_REST_MS, restMs * 2)) };
}

function quicker({ share, restMs }: Pace): Omit<Pace, 'slowness'> {
  if (restMs > 0) return { share, restMs: restMs <= SHORTEST_REST_MS ? 0 : Math.floor(restMs / 2) };
  return { share: Math.min(1, share * 1.5), restMs };
}
