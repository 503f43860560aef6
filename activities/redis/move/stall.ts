import { setTimeout as sleep } from 'node:timers/promises';
import type { MovingNodes } from './mover.js';

/** Between two questions to a node, where there are few nodes; all together are asked a few hundred times a second. */
const EVERY_MS = 10;
const NODES_AT_FULL_SPEED = 4;
/** … and to one that does not answer. */
const SILENT_EVERY_MS = 200;

/** Answers that are remembered one by one: some minutes. */
const REMEMBERED = 50_000;

/** Each bucket of the histogram of all answers ends a twentieth above the one before. */
const STEP = Math.log(1.05);

/**
 * What clients of the nodes at work would see: asks each of them again and again for next to nothing, and keeps how long the answer took. A node whose main
 * thread is busy keeps all its clients waiting as long.
 */
export class StallProbe {
  readonly #recent: { readonly end: number; readonly ms: number }[] = [];
  readonly #buckets = new Map<number, number>();
  readonly #asking: Promise<void>[];
  readonly #everyMs: number;
  #count = 0;
  #stopped = false;

  constructor(
    private readonly nodes: Pick<MovingNodes, 'send'>,
    names: readonly string[],
  ) {
    this.#everyMs = EVERY_MS * Math.max(1, names.length / NODES_AT_FULL_SPEED);
    this.#asking = names.map((name) => this.#ask(name));
  }

  /** The 99th percentile of all answers in milliseconds; `null` before the first. */
  get p99Ms(): number | null {
    let left = Math.ceil(this.#count * 0.01);
    for (const [bucket, count] of [...this.#buckets].sort((a, b) => b[0] - a[0])) {
      left -= count;
      if (left <= 0) return Math.exp(bucket * STEP);
    }
    return null;
  }

  /** The 99th percentile of the answers that came since then (by `performance.now()`); `null` where none did. */
  p99SinceMs(since: number): number | null {
    const start = this.#recent.findIndex(({ end }) => end >= since);
    if (start < 0) return null;
    const sorted = this.#recent
      .slice(start)
      .map(({ ms }) => ms)
      .sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? null;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#asking);
  }

  async #ask(name: string): Promise<void> {
    while (!this.#stopped) {
      const start = performance.now();
      const answered = await this.nodes.send(name, [['PING']]).then(
        () => true,
        // The mover asks this node too, and says what is wrong with it.
        () => false,
      );
      if (answered) this.#note(performance.now() - start);
      await sleep(answered ? this.#everyMs : SILENT_EVERY_MS);
    }
  }

  #note(ms: number): void {
    this.#count += 1;
    const bucket = Math.ceil(Math.log(ms) / STEP);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
    this.#recent.push({ end: performance.now(), ms });
    if (this.#recent.length > REMEMBERED) this.#recent.splice(0, REMEMBERED / 2);
  }
}
