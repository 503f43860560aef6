/** Why an engine does not begin an atomic move, or does not end it. */
export type AtomicTrouble =
  /** A slot of this node, any slot, is open to a move key by key. */
  | 'open-slots'
  /** The node has a task already. */
  | 'busy'
  /** Somebody is not what it was when the move was looked at: who owns what has to be looked up again. */
  | 'roles'
  /** The user that the nodes talk to each other as may not do what it has to. */
  | 'rights'
  /** The target has no memory left. */
  | 'no-room'
  /** Anything else: it may pass, so it is tried again, but not for ever. */
  | 'other';

/** By the servers' own words, those of Redis 8.4 to 8.6 and of Valkey 9.0 and 9.1. First match wins. */
const WORDS: readonly (readonly [RegExp, AtomicTrouble])[] = [
  [/must be STABLE|being manually (im|mi)/, 'open-slots'],
  [/\b(NOPERM|WRONGPASS|NOAUTH)\b|Failed to AUTH/, 'rights'],
  [/another ASM task|overlapping import|already migrating|already being imported/i, 'busy'],
  [/\bOOM\b|out of memory/i, 'no-room'],
  [
    /not allowed on replica|already the owner|different source|has no owner|only be used on primary|not served|span multiple|no node served|Unknown node|can not be this node|no longer owned|not the owner|owned by myself/i,
    'roles',
  ],
];

export function atomicTroubleOf(words: string): AtomicTrouble {
  return WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? 'other';
}

/** What ends the beginning of new tasks: the time is over, or somebody wants it to end. */
export type StopReason = 'time' | 'signal';

/** Nobody who wants it to end waits longer than this for a task that is nearly done. */
const SHORT_MS = 2000;

/**
 * What becomes of a task that is under way when no new ones are begun. The first of a call is waited for however long it takes, where only the time is over: the
 * next call would not get further. Where somebody waits for the end only a short rest is.
 */
export function fateOfTask(task: {
  readonly reason: StopReason;
  readonly firstOfCall: boolean;
  readonly elapsedMs: number;
  /** Of the whole task. */
  readonly estimateMs: number;
  /** Since the reason came up. */
  readonly stoppedMs: number;
}): 'finish' | 'cancel' {
  const { reason, firstOfCall, elapsedMs, estimateMs, stoppedMs } = task;
  if (reason === 'time') return firstOfCall || stoppedMs <= Math.max(SHORT_MS, estimateMs) ? 'finish' : 'cancel';
  return estimateMs - elapsedMs <= SHORT_MS && stoppedMs <= 2 * SHORT_MS ? 'finish' : 'cancel';
}
