/** Batches that a whole move may take: with some seven events each, its history stays far below what is quick to replay. */
const MOST_BATCHES = 150;

/** No batch is longer than this, so that what a report tells is never old. */
const LONGEST_BATCH_MS = 120_000;

/**
 * How long the next batch may take, in milliseconds: the spec's time, more where the slots that are left would need too many such batches at the speed of the
 * last one.
 */
export function nextBatchMs({
  batchMs,
  last,
}: {
  readonly batchMs: number;
  readonly last: { readonly slots: number; readonly tookMs: number; readonly slotsLeft: number } | null;
}): number {
  if (last === null || last.slots === 0) return batchMs;
  const leftMs = (last.slotsLeft / last.slots) * last.tookMs;
  return Math.round(Math.min(LONGEST_BATCH_MS, Math.max(batchMs, leftMs / MOST_BATCHES)));
}
