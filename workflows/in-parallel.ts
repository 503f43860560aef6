import { attempts } from '../domain/in-parallel.js';
import { together } from './failures.js';

/** Does `work` for every item, `width` at a time; what fails is thrown when all that were begun have ended, several as one. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const failures = await attempts(items, { width }, work);
  if (failures.length > 0) throw together(failures);
}
