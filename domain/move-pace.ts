/** With some seven events a batch, a whole move stays below a thousand: quick to replay, whatever its size. */
const MOST_BATCHES = 100;

/** A batch can be interrupted at any time, so this bounds only how old the report of a very long move may be. */
const LONGEST_BATCH_MS = 600_000;

export interface Pace {
  /** What the spec says; milliseconds. */
  readonly batchMs: number;
  /** The batch before; `null` before the first. */
  readonly last: {
    readonly budgetMs: number;
    readonly tookMs: number;
    /** What it brought to its place. */
    readonly slots: number;
    readonly slotsLeft: number;
  } | null;
}

/**
 * How long the next batch may take, in milliseconds: the spec's time, more where the slots that are left would need too many such batches at the speed of the
 * last one. It never becomes shorter, so that a move has hardly more batches than `MOST_BATCHES`.
 */
export function nextBatchMs({ batchMs, last }: Pace): number {
  if (last === null) return batchMs;
  const leftMs = last.slots === 0 ? 0 : (last.slotsLeft / last.slots) * last.tookMs;
  return Math.round(Math.min(LONGEST_BATCH_MS, Math.max(batchMs, last.budgetMs, leftMs / MOST_BATCHES)));
}
