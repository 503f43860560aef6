/** Number of hash slots of a Redis Cluster, fixed by the protocol (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/). */
export const SLOT_COUNT = 16384;

/** Inclusive on both ends, as Redis writes it. */
export type SlotRange = readonly [from: number, to: number];

export function slotsIn(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0);
}

/** Merges single slots or overlapping ranges into the fewest sorted ranges. */
export function compactRanges(ranges: readonly SlotRange[]): SlotRange[] {
  const merged: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** Contiguous shares for `masters` masters, in order; sizes differ by one at the most. */
export function evenShares(masters: number): SlotRange[] {
  return Array.from({ length: masters }, (_, i) => {
    const from = Math.floor((i * SLOT_COUNT) / masters);
    const to = Math.floor(((i + 1) * SLOT_COUNT) / masters) - 1;
    return [from, to] as const;
  });
}

export function formatRanges(ranges: readonly SlotRange[]): string {
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(' ');
}
