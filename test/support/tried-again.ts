import { FAILURES, ForgeError } from '../../domain/errors.js';
import { until } from './until.js';

/** As a workflow does it: what may pass is tried again, what is final is not. */
export function triedAgain<T>(work: () => Promise<T>): Promise<T> {
  return until(
    'it passes',
    async () => {
      try {
        return { passed: await work() };
      } catch (error) {
        if (error instanceof ForgeError && FAILURES[error.type].retry) throw error;
        return { failed: error };
      }
    },
    30_000,
  ).then((outcome) => {
    if ('failed' in outcome) throw outcome.failed;
    return outcome.passed;
  });
}
