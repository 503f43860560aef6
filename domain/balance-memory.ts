import { isOff, type SharingMaster } from './balance.js';
import { eachSlot } from './ownership.js';
import type { SlotMove } from './slot-moves.js';
import { compactRanges, type SlotRange } from './slots.js';

interface Holder {
  readonly name: string;
  /** Its share, in bytes. */
  readonly wanted: number;
  readonly drained: boolean;
  bytes: number;
  /** What it owns at first. What it gets is not given on. */
  readonly slots: readonly Weighed[];
}

interface Weighed {
  readonly slot: number;
  readonly bytes: number;
  /** How often the usual size is doubled in it, rounded: slots of one class count as alike, so that neighbours go together. */
  readonly sizeClass: number;
}

interface Moved {
  readonly slot: number;
  readonly from: string;
  readonly to: string;
}

/** Of a slot without a byte. */
const EMPTY_CLASS = -100;

/**
 * Moves to shares by weight, counted in bytes: the largest slots first, and no more than it takes to bring every master within the threshold. A slot is moved
 * only where that brings both ends nearer to their shares, those apart that a master with weight 0 has to give. `null` where no slot has a byte: then there is
 * nothing to weigh.
 */
export function balanceByMemory({
  masters,
  bytesOf,
  thresholdPercent,
}: {
  readonly masters: readonly SharingMaster[];
  readonly bytesOf: (slot: number) => number;
  readonly thresholdPercent: number;
}): SlotMove[] | null {
  const sizes = masters.map(({ slots }) => [...eachSlot(slots)].map((slot) => ({ slot, bytes: bytesOf(slot) })));
  const full = sizes.flat().filter(({ bytes }) => bytes > 0);
  const total = full.reduce((sum, { bytes }) => sum + bytes, 0);
  const whole = masters.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0 || whole === 0) return null;
  const usual = total / full.length;
  const holders = masters.map(
    ({ name, weight }, i): Holder => ({
      name,
      wanted: (total * weight) / whole,
      drained: weight === 0,
      bytes: (sizes[i] ?? []).reduce((sum, { bytes }) => sum + bytes, 0),
      slots: largestFirst((sizes[i] ?? []).map((one) => ({ ...one, sizeClass: sizeClass(one.bytes, usual) }))),
    }),
  );
  const drained = drain(holders);
  return asMoves([...drained, ...level(holders, thresholdPercent)]);
}

/**
 * Every slot of those who are to own nothing, the largest first: to one that lacks most for as long as they fit, then to the next. Empty slots, which weigh
 * nothing, are shared out evenly.
 */
function drain(holders: readonly Holder[]): Moved[] {
  const takers = holders.filter(({ drained }) => !drained);
  const given = holders.filter(({ drained }) => drained).flatMap((from) => from.slots.map((one) => ({ ...one, from })));
  const full = largestFirst(given.filter(({ bytes }) => bytes > 0));
  const empty = given.filter(({ bytes }) => bytes === 0);
  let to: Holder | undefined;
  const weighed = full.flatMap(({ slot, from, bytes }) => {
    if (to === undefined || lack(to) < bytes) [to] = [...takers].sort((a, b) => lack(b) - lack(a));
    if (to === undefined) return [];
    pass({ bytes, from, to });
    return [{ slot, from: from.name, to: to.name }];
  });
  const each = Math.ceil(empty.length / takers.length);
  const spread = empty.flatMap(({ slot, from }, i) => {
    const taker = takers[Math.floor(i / each)];
    return taker === undefined ? [] : [{ slot, from: from.name, to: taker.name }];
  });
  return [...weighed, ...spread];
}

function level(holders: readonly Holder[], thresholdPercent: number): Moved[] {
  const moved: Moved[] = [];
  const staying = holders.filter(({ drained }) => !drained);
  const offers = new Map(staying.map((holder) => [holder, classesOf(holder.slots)]));
  const off = ({ bytes, wanted }: Holder) => isOff({ has: bytes, wanted, thresholdPercent });
  const give = ({ from, to }: Pair) => {
    if (lack(from) >= 0 || lack(to) <= 0) return false;
    const offer = takeOffer(offers.get(from) ?? [], { over: -lack(from), under: lack(to) });
    if (offer === undefined) return false;
    pass({ bytes: offer.bytes, from, to });
    moved.push({ slot: offer.slot, from: from.name, to: to.name });
    return true;
  };
  let last: Pair | undefined;
  while (staying.some(off)) {
    last = pairsOf(staying, { off, last }).find(give);
    if (last === undefined) break;
    // A pair goes on while its ends need it as they did, so that neighbours go together.
    const [giverOff, takerOff] = [off(last.from), off(last.to)];
    while (off(last.from) === giverOff && off(last.to) === takerOff && (giverOff || takerOff) && give(last));
  }
  return moved;
}

interface Pair {
  readonly from: Holder;
  readonly to: Holder;
}

/** Those of one class are in the order of their numbers; they are taken out as they are given away. */
type Classes = readonly { readonly smallest: number; readonly slots: Weighed[] }[];

function classesOf(slots: readonly Weighed[]): Classes {
  const classes = new Map<number, Weighed[]>();
  for (const one of slots.filter(({ bytes }) => bytes > 0)) {
    const alike = classes.get(one.sizeClass);
    if (alike === undefined) classes.set(one.sizeClass, [one]);
    else alike.push(one);
  }
  return [...classes.values()].map((alike) => ({
    smallest: alike.reduce((least, { bytes }) => Math.min(least, bytes), Infinity),
    slots: alike,
  }));
}

/**
 * Givers with takers, of whom one at least is off: those first where both are, then by what there is too much and by what is missing. Among equally needed ones
 * the pair of before goes on, so that neighbours go together.
 */
function pairsOf(
  holders: readonly Holder[],
  { off, last }: { readonly off: (holder: Holder) => boolean; readonly last: Pair | undefined },
): Pair[] {
  const need = (pair: Pair) => Number(off(pair.from)) + Number(off(pair.to));
  const again = ({ from, to }: Pair) => Number(from === last?.from && to === last.to);
  const takers = holders.filter((one) => lack(one) > 0);
  return holders
    .filter((one) => lack(one) < 0)
    .flatMap((from) => takers.map((to) => ({ from, to })))
    .filter((pair) => need(pair) > 0)
    .sort((a, b) => need(b) - need(a) || again(b) - again(a) || lack(a.from) - lack(b.from) || lack(b.to) - lack(a.to));
}

/**
 * The slot that brings both ends nearest to their shares: the first of the class whose first does. One that is smaller than what is too much and what is missing
 * together never makes the two, or the worse of them, worse.
 */
function takeOffer(
  classes: Classes,
  { over, under }: { readonly over: number; readonly under: number },
): Weighed | undefined {
  const gain = (bytes: number) => over + under - Math.abs(over - bytes) - Math.abs(under - bytes);
  const offers = classes
    .filter(({ smallest }) => smallest < over + under)
    .map(({ slots }) => ({ slots, index: slots.findIndex(({ bytes }) => bytes < over + under) }))
    .flatMap((one) => {
      const offer = one.slots[one.index];
      return offer === undefined ? [] : [{ ...one, gain: gain(offer.bytes) }];
    })
    .sort((a, b) => b.gain - a.gain);
  const [best] = offers;
  return best?.slots.splice(best.index, 1)[0];
}

function pass({ bytes, from, to }: Pair & { readonly bytes: number }): void {
  from.bytes -= bytes;
  to.bytes += bytes;
}

function lack({ wanted, bytes }: Holder): number {
  return wanted - bytes;
}

function largestFirst<One extends Weighed>(slots: readonly One[]): One[] {
  return [...slots].sort((a, b) => b.sizeClass - a.sizeClass || a.slot - b.slot);
}

function sizeClass(bytes: number, usual: number): number {
  return bytes <= 0 ? EMPTY_CLASS : Math.round(Math.log2(bytes / usual));
}

function asMoves(moved: readonly Moved[]): SlotMove[] {
  const pairs = new Map<string, { from: string; to: string; ranges: SlotRange[] }>();
  for (const { slot, from, to } of moved) {
    const key = `${from} ${to}`;
    const pair = pairs.get(key) ?? { from, to, ranges: [] };
    pair.ranges.push([slot, slot]);
    pairs.set(key, pair);
  }
  return [...pairs.values()].map(({ from, to, ranges }) => ({ ranges: compactRanges(ranges), from, to }));
}
