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

/** What a client saw, as a whole and in a part of the time. */
export interface Watched extends Stalls {
  /** Of the writes that were under way between these times, in milliseconds since 1970. */
  between(from: number, to: number): Stalls;
}

interface Seen {
  readonly begun: number;
  readonly ms: number;
  readonly failed: boolean;
}

/** Watches what a client sees of slots while `work` runs: writes to keys of theirs, and waits for each answer. */
export async function watchStalls(
  client: Cluster,
  keys: readonly string[],
  work: () => Promise<void>,
): Promise<Watched> {
  const seen: Seen[] = [];
  let over = false;
  const watching = (async () => {
    for (let i = 0; !over; i += 1) {
      const [begun, at] = [Date.now(), performance.now()];
      const failed = await client.set(keys[i % keys.length] ?? '', `${i}`).then(
        () => false,
        () => true,
      );
      seen.push({ begun, ms: performance.now() - at, failed });
      await sleep(EVERY_MS);
    }
  })();
  await work().finally(() => (over = true));
  await watching;
  return {
    ...stallsOf(seen),
    between: (from, to) => stallsOf(seen.filter(({ begun, ms }) => begun <= to && begun + ms >= from)),
  };
}

function stallsOf(seen: readonly Seen[]): Stalls {
  const times = seen.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round((times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), max: at(1), errors: seen.filter(({ failed }) => failed).length };
}
