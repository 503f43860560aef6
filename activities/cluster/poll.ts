import { setTimeout as pause } from 'node:timers/promises';

export interface Poll<T> {
  readonly ask: () => Promise<T>;
  readonly enough: (answer: T) => boolean;
  readonly deadlineMs: number;
  readonly pollMs: number;
}

/** Asks until the answer is enough or the time is over; gives the last answer. For conditions that nothing announces. */
export async function pollUntil<T>({ ask, enough, deadlineMs, pollMs }: Poll<T>): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (enough(answer) || performance.now() + pollMs > end) return answer;
    await pause(pollMs);
  }
}
