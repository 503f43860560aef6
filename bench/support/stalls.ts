import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from 'ioredis';

const EVERY_MS = 2;

/** Round trips in milliseconds of a client that writes without end, one key after the other. */
export interface Stalls {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Writes that the client library gave up. */
  readonly errors: number;
}

/** Watches what a client sees of slots while `work` runs: writes to keys of theirs, and waits for each answer. */
export async function watchStalls(
  client: Cluster,
  keys: readonly string[],
  work: () => Promise<void>,
): Promise<Stalls> {
  const seen: number[] = [];
  let over = false;
  let errors = 0;
  const watching = (async () => {
    for (let i = 0; !over; i += 1) {
      const at = performance.now();
      await client.set(keys[i % keys.length] ?? '', `${i}`).catch(() => (errors += 1));
      seen.push(performance.now() - at);
      await sleep(EVERY_MS);
    }
  })();
  await work().finally(() => (over = true));
  await watching;
  seen.sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round((seen[Math.min(seen.length - 1, Math.floor(seen.length * share))] ?? 0) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), max: at(1), errors };
}
