import { together } from './failures.js';

/**
 * Does `work` for every item, `width` at a time. All that were begun come to their end, so that one bad host neither hides nor tears the others;
 * then the failure is thrown, or all of them as one. After a failure no new item is begun.
 */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined && failures.length === 0; item = waiting.shift()) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  if (failures.length > 0) throw together(failures);
}
