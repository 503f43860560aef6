import { setTimeout as sleep } from 'node:timers/promises';

/** As long as one load may hold its source, in milliseconds: what a client of it waits at the most for a move. */
const LOAD_MS = 4;

/** Keys of the first load, of which nothing is known yet. */
const FIRST_KEYS = 16;
const MOST_KEYS = 1000;

/** How much newer loads count in what a key is thought to take. */
const NEWER = 0.3;

/** How large the loads of one source are: measured, so that each holds it for some milliseconds and no longer. */
export class LoadSize {
  #msPerKey: number | undefined;
  #most = FIRST_KEYS;

  /** Keys of the next load. */
  get keys(): number {
    const fitting = this.#msPerKey === undefined ? FIRST_KEYS : Math.floor(LOAD_MS / this.#msPerKey);
    return Math.max(1, Math.min(MOST_KEYS, this.#most, fitting));
  }

  /** A load took so long. It may grow twofold from one to the next, so that one of much larger keys is met with a small one. */
  took({ keys, ms }: { readonly keys: number; readonly ms: number }): void {
    if (keys === 0) return;
    const msPerKey = ms / keys;
    const before = this.#msPerKey ?? msPerKey;
    this.#msPerKey = msPerKey > before ? msPerKey : before + (msPerKey - before) * NEWER;
    this.#most = Math.max(FIRST_KEYS, Math.min(MOST_KEYS, keys * 2));
  }

  get keysPerSecond(): number {
    return this.#msPerKey === undefined ? FIRST_KEYS * 100 : 1000 / this.#msPerKey;
  }
}

/** Keys per second over all lanes: a bucket that never holds more than a tenth of a second. */
export class KeyRate {
  #tokens = 0;
  #at = performance.now();

  constructor(private readonly perSecond: number | null) {}

  /** The most keys that may go at once. */
  get mostKeys(): number {
    return this.perSecond === null ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(this.perSecond / 50));
  }

  /** Waits until so many keys may go. */
  async take(keys: number): Promise<void> {
    if (this.perSecond === null) return;
    const now = performance.now();
    const most = Math.max(1, this.perSecond / 10);
    this.#tokens = Math.min(most, this.#tokens + ((now - this.#at) / 1000) * this.perSecond) - keys;
    this.#at = now;
    if (this.#tokens < 0) await sleep((-this.#tokens / this.perSecond) * 1000);
  }
}
