/**
 * Does `work` for every item, `width` at a time, and returns what was thrown. All that were begun come to their end, so that one bad host neither hides nor tears the
 * others. After a failure no new item is begun, unless all are to be tried.
 */
export async function attempts<T>(
  items: readonly T[],
  { width, after = 'stop' }: { readonly width: number; readonly after?: 'stop' | 'go-on' },
  work: (item: T) => Promise<void>,
): Promise<unknown[]> {
  const waiting = [...items];
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (;;) {
      if (failures.length > 0 && after === 'stop') return;
      const item = waiting.shift();
      if (item === undefined) return;
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return failures;
}
