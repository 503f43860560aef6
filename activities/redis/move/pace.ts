import { setTimeout as sleep } from 'node:timers/promises';
import {
  FIRST_LEVEL,
  FULL_LEVEL,
  isLevelDue,
  keysOfShare,
  type LoadPace,
  MOST_SHARES,
  nextLevel,
  nextShares,
  paceOf,
  restAfter,
} from '../../../domain/move-throttle.js';
import type { MovesSpec } from '../../../domain/spec.js';
import type { StallProbe } from './stall.js';

/** Between two looks at what clients see, in milliseconds: some ten answers of each node. */
const LOOK_EVERY_MS = 100;

/** Somebody who wants us to stop does not wait for longer. */
const LONGEST_REST_MS = 1000;

/** What is not used is kept for so long, in milliseconds: a sleep is a little late, which is to cost no speed. */
const KEPT_MS = 8;

/** How fast all lanes of a move together may go. */
export class MovePace {
  #level: number;
  #since = performance.now();
  #lookedAt = this.#since;
  #tokens = 0;
  #shares = MOST_SHARES;
  #filledAt = performance.now();

  constructor(
    private readonly rules: MovesSpec,
    private readonly probe: Pick<StallProbe, 'p99SinceMs'>,
  ) {
    this.#level = rules.targetP99Ms === null ? FULL_LEVEL : FIRST_LEVEL;
  }

  /** How the next load is to be. */
  get load(): LoadPace {
    const { targetP99Ms } = this.rules;
    const now = performance.now();
    if (targetP99Ms !== null && now > this.#lookedAt + LOOK_EVERY_MS) {
      this.#lookedAt = now;
      const p99Ms = this.probe.p99SinceMs(this.#since);
      if (isLevelDue({ keptMs: now - this.#since, p99Ms, targetP99Ms })) {
        this.#level = nextLevel({ level: this.#level, p99Ms, targetP99Ms });
        this.#since = now;
      }
    }
    return paceOf(this.#level);
  }

  /** The most keys that may go at once. */
  get mostKeys(): number {
    const { maxKeysPerSecond } = this.rules;
    return maxKeysPerSecond === null ? Number.POSITIVE_INFINITY : keysOfShare(maxKeysPerSecond, this.#shares);
  }

  /** Waits for as long as nodes are to be left alone after they were worked on for so long, in milliseconds. */
  async rest(workedMs: number): Promise<void> {
    const restMs = Math.min(LONGEST_REST_MS, restAfter(this.load, workedMs));
    if (restMs > 0) await sleep(restMs);
  }

  /** Waits until so many keys may go. Time in which nothing went is not made up for. */
  async take(keys: number): Promise<void> {
    const { maxKeysPerSecond } = this.rules;
    if (maxKeysPerSecond === null) return;
    const now = performance.now();
    const earned = ((now - this.#filledAt) / 1000) * maxKeysPerSecond;
    const kept = Math.max(this.mostKeys * 2, (maxKeysPerSecond / 1000) * KEPT_MS);
    this.#shares = nextShares(this.#shares, this.#tokens + earned > kept / 2 ? 'behind' : 'in time');
    this.#tokens = Math.min(kept, this.#tokens + earned) - keys;
    this.#filledAt = now;
    if (this.#tokens < 0) await sleep((-this.#tokens / maxKeysPerSecond) * 1000);
  }
}
