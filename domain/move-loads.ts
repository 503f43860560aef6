/** Keys of the first load of a lane, of which nothing is known yet. */
const FIRST_KEYS = 16;
const MOST_KEYS = 1000;

/** More is never sent at once, whatever it is thought to take. */
const MOST_BYTES = 2 ** 20;

/** So many bytes take about as long as the handling of a key. */
const BYTES_LIKE_A_KEY = 2048;

/** How much a newer load counts in what is thought of the next. */
const NEWER = 0.3;

export interface LoadBounds {
  readonly keys: number;
  readonly bytes: number;
}

/** What is known of how fast keys go. */
export interface LoadSpeed {
  /** Milliseconds for a key of no size; `null` before the first load. */
  readonly msPerKey: number | null;
  /** The next load may have twice the keys of the last one at the most. */
  readonly mostKeys: number;
}

export const UNKNOWN_SPEED: LoadSpeed = { msPerKey: null, mostKeys: FIRST_KEYS };

/** What the next load may hold, so that it holds its source for about `loadMs`. @param bytesPerKey mean of the node */
export function boundsOf(speed: LoadSpeed, at: { readonly loadMs: number; readonly bytesPerKey: number }): LoadBounds {
  const weight = speed.msPerKey === null ? FIRST_KEYS : at.loadMs / speed.msPerKey;
  const fitting = weight / (1 + at.bytesPerKey / BYTES_LIKE_A_KEY);
  return {
    keys: Math.floor(Math.max(1, Math.min(MOST_KEYS, speed.mostKeys, fitting))),
    bytes: Math.min(MOST_BYTES, weight * BYTES_LIKE_A_KEY),
  };
}

/** After a load. A slower one counts at once, a faster one little by little: the next may have the larger keys again. */
export function afterLoad(
  speed: LoadSpeed,
  load: { readonly keys: number; readonly bytes: number; readonly tookMs: number },
): LoadSpeed {
  if (load.keys === 0) return speed;
  const msPerKey = Math.max(0.0001, load.tookMs / (load.keys + load.bytes / BYTES_LIKE_A_KEY));
  const before = speed.msPerKey ?? msPerKey;
  return {
    msPerKey:
      msPerKey > before ? before + (msPerKey - before) * Math.sqrt(NEWER) : before + (msPerKey - before) * NEWER,
    mostKeys: Math.max(FIRST_KEYS, Math.min(MOST_KEYS, load.keys * 2)),
  };
}

/** Keys that go in a second at this speed. */
export function keysPerSecond({ msPerKey }: LoadSpeed, bytesPerKey: number): number {
  return 1000 / ((msPerKey ?? 0.1) * (1 + bytesPerKey / BYTES_LIKE_A_KEY));
}
