/** What a refusal in the middle of a move means. */
export type Trouble =
  /** It may pass by itself: a node is starting, failing over, cut off, or stuck for a moment. */
  | 'passes'
  /** Somebody is not what it was when the move was looked at: who owns what has to be looked up again. */
  | 'roles'
  /** The target has no memory left. */
  | 'no-room'
  /** It will be the same the next time. */
  | 'stays';

/** By the beginnings of the servers' words; those that MIGRATE passes on from the target stand behind its own. First match wins. */
const WORDS: readonly (readonly [RegExp, Trouble])[] = [
  [/\bOOM\b/, 'no-room'],
  [/\bREADONLY\b|only with masters|not a master|not the owner|already the owner|\bMOVED\b|\bASK\b/, 'roles'],
  [/still hold keys for this hash slot|(I don't know about|Unknown) node/, 'roles'],
  [/\b(IOERR|LOADING|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|BUSY|NOREPLICAS)\b|timeout|timed out/i, 'passes'],
  // The fence user is gone from the target where it was started anew: it is raised there again by the next look.
  [/\b(NOAUTH|WRONGPASS)\b/, 'roles'],
];

export function troubleOf(words: string): Trouble {
  return WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? 'stays';
}
