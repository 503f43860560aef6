/** How hard a mover works, from 1 (as fast as it can) down; it never stands still. */
export type Level = number;

/** Where nothing is known yet and clients have a target. */
export const FIRST_LEVEL: Level = 0.25;
export const FULL_LEVEL: Level = 1;
const LOWEST_LEVEL: Level = 0.01;

/** As long as one load holds its source at full speed, in milliseconds: what a client of it waits at the most for a move, and its median waits half. */
const FULL_LOAD_MS = 4;
/** Smaller ones would be mostly overhead; slower than that is made by rests. */
const LEAST_LOAD_MS = 0.5;

/** Within this part of the target nothing is changed, so that the level does not swing. */
const CLOSE = 0.8;

/** A level is kept for so long, in milliseconds: until enough answers of the probe tell what it does … */
const KEPT_MS = 400;
/** … but clients that wait so many times longer than they are to are not left waiting for more answers. */
const FAR = 2;

/** Whether it is time for the next level, from what clients have seen in the time that this one was kept. */
export function isLevelDue(at: {
  readonly keptMs: number;
  /** `null` where nothing was seen yet. */
  readonly p99Ms: number | null;
  readonly targetP99Ms: number;
}): boolean {
  return at.keptMs >= KEPT_MS || (at.p99Ms !== null && at.p99Ms > at.targetP99Ms * FAR);
}

/**
 * The next level, from what clients have seen since the last change: down in the proportion in which the target was missed, at the most by half; up in small
 * steps where there is room. @param p99Ms `null` where too little was seen to say
 */
export function nextLevel(at: {
  readonly level: Level;
  readonly p99Ms: number | null;
  readonly targetP99Ms: number | null;
}): Level {
  const { level, p99Ms, targetP99Ms } = at;
  if (targetP99Ms === null) return FULL_LEVEL;
  if (p99Ms === null) return level;
  if (p99Ms > targetP99Ms) return Math.max(LOWEST_LEVEL, level * Math.max(0.5, targetP99Ms / p99Ms));
  if (p99Ms > targetP99Ms * CLOSE) return level;
  return Math.min(FULL_LEVEL, level * 1.15 + 0.005);
}

export interface LoadPace {
  /** As long as a load is to hold its source. */
  readonly loadMs: number;
  /** Of the time, as a part of 1, that the source is held. */
  readonly duty: number;
}

/** Smaller loads first, then rests between them. */
export function paceOf(level: Level): LoadPace {
  const loadMs = Math.max(LEAST_LOAD_MS, FULL_LOAD_MS * level);
  return { loadMs, duty: level >= FULL_LEVEL ? 1 : (FULL_LOAD_MS * level) / loadMs };
}

/** How long to rest after a load that took so long, in milliseconds. */
export function restAfter({ duty }: LoadPace, tookMs: number): number {
  return duty >= 1 ? 0 : tookMs * (1 / duty - 1);
}

/** Parts of a second in which the keys of a second are shared out: the more, the shorter what one load holds. */
export const MOST_SHARES = 2000;
const FEWEST_SHARES = 250;

/** As redis-cli sends at once where nobody says otherwise; fewer only where a share at its largest has fewer. */
const LEAST_KEYS = 10;

/** How many keys go at once under a limit of so many a second. */
export function keysOfShare(maxKeysPerSecond: number, shares: number): number {
  const least = Math.min(LEAST_KEYS, maxKeysPerSecond / FEWEST_SHARES);
  return Math.max(1, Math.floor(Math.max(least, maxKeysPerSecond / shares)));
}

/** Larger loads where the limit is not reached with small ones, and little by little smaller again. */
export function nextShares(shares: number, reached: 'behind' | 'in time'): number {
  if (reached === 'behind') return Math.max(FEWEST_SHARES, shares * 0.9);
  return Math.min(MOST_SHARES, shares * 1.01);
}
