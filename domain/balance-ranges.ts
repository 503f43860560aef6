import type { SlotMove } from './slot-moves.js';
import { compactRanges, slotsIn, type SlotRange } from './slots.js';

/** What a master has, and how many slots it is to have in the end. */
export interface Share {
  readonly name: string;
  readonly slots: readonly SlotRange[];
  readonly wanted: number;
}

interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly count: number;
}

/**
 * The moves after which each master has the wanted number: no more slots than have to go, between few pairs, in few ranges. The numbers wanted have to add up
 * to what there is.
 */
export function movesTo(shares: readonly Share[]): SlotMove[] {
  const left = new Map(shares.map(({ name, slots }) => [name, compactRanges(slots)]));
  const got = new Map(shares.map(({ name, slots }) => [name, compactRanges(slots)]));
  return transfers(shares).map(({ from, to, count }) => {
    const { taken, rest } = take({ ranges: left.get(from) ?? [], beside: got.get(to) ?? [], count });
    left.set(from, rest);
    got.set(to, compactRanges([...(got.get(to) ?? []), ...taken]));
    return { ranges: taken, from, to };
  });
}

/** Who gives how many to whom. Where one gives what another lacks they are a pair; else the largest two, so that with each pair at least one is done. */
function transfers(shares: readonly Share[]): Transfer[] {
  const open = shares.map(({ name, slots, wanted }) => ({ name, over: slotsIn(slots) - wanted }));
  const pairs: Transfer[] = [];
  for (;;) {
    const givers = open.filter(({ over }) => over > 0).sort((a, b) => b.over - a.over);
    const takers = open.filter(({ over }) => over < 0).sort((a, b) => a.over - b.over);
    const exact = givers.flatMap((giver) => {
      const taker = takers.find(({ over }) => over === -giver.over);
      return taker === undefined ? [] : [{ giver, taker }];
    })[0];
    const [giver, taker] = exact === undefined ? [givers[0], takers[0]] : [exact.giver, exact.taker];
    if (giver === undefined || taker === undefined) return pairs;
    const count = Math.min(giver.over, -taker.over);
    pairs.push({ from: giver.name, to: taker.name, count });
    giver.over -= count;
    taker.over += count;
  }
}

interface Taking {
  /** What the giver has, the fewest sorted ranges. */
  readonly ranges: readonly SlotRange[];
  /** What the taker has. */
  readonly beside: readonly SlotRange[];
  readonly count: number;
}

/** Takes so many slots in as few ranges as can be: one that fits, else the end of the smallest that is large enough, else the largest and so on. */
function take({ ranges, beside, count }: Taking): { taken: SlotRange[]; rest: SlotRange[] } {
  const taken: SlotRange[] = [];
  const rest = [...ranges];
  let missing = count;
  while (missing > 0) {
    const [first] = [...rest].sort((a, b) => rank(a, missing) - rank(b, missing) || a[0] - b[0]);
    if (first === undefined) break;
    rest.splice(rest.indexOf(first), 1);
    const [part, remaining] = cut(first, { count: missing, beside });
    taken.push(part);
    rest.push(...remaining);
    missing -= slotsIn([part]);
  }
  return { taken: compactRanges(taken), rest: compactRanges(rest) };
}

/** The range that comes first is taken: the smallest of those that have enough, then the largest of the others. */
function rank(range: SlotRange, count: number): number {
  const size = slotsIn([range]);
  return size >= count ? size : 1e6 - size;
}

/** The end that borders on what the taker has already, else the upper one. */
function cut(
  [from, to]: SlotRange,
  { count, beside }: { readonly count: number; readonly beside: readonly SlotRange[] },
): [part: SlotRange, rest: SlotRange[]] {
  if (to - from + 1 <= count) return [[from, to], []];
  const bordersBelow = beside.some(([, end]) => end === from - 1);
  const bordersAbove = beside.some(([start]) => start === to + 1);
  return bordersBelow && !bordersAbove
    ? [[from, from + count - 1], [[from + count, to]]]
    : [[to - count + 1, to], [[from, to - count]]];
}
