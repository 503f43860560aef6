import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `condition` gives something that is not `false` or `undefined`; fails with what was waited for after `deadlineMs`. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | false | undefined> | T | false | undefined,
  deadlineMs = 10_000,
): Promise<T> {
  const end = Date.now() + deadlineMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== false && value !== undefined) return value;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > end) throw new Error(`not reached within ${deadlineMs} ms: ${what}`, { cause: lastError });
    await sleep(25);
  }
}
