import { movesTo } from './balance-ranges.js';
import type { SlotMove } from './slot-moves.js';
import { slotsIn, type SlotRange } from './slots.js';

/** A master that takes part in sharing out the slots. */
export interface SharingMaster {
  readonly name: string;
  /** What it owns; nothing, where it is new. */
  readonly slots: readonly SlotRange[];
  /** Its part of the whole, compared with the others'; 0 for one that is to own nothing in the end. */
  readonly weight: number;
}

/** Weights are counted in parts of this, so that shares are exact and the same everywhere. */
const WEIGHT_UNIT = 1e-6;

/**
 * The fewest moves to shares by weight, counted in slots. Nothing moves while no master is further off its share than the threshold, and none that is to own
 * nothing owns something; else all are levelled to the slot, by largest remainders that go where they save a move. Empty where no weight is above 0.
 */
export function balanceBySlots({
  masters,
  thresholdPercent,
}: {
  readonly masters: readonly SharingMaster[];
  readonly thresholdPercent: number;
}): SlotMove[] {
  const wanted = wantedCounts(masters);
  const off = masters.some(({ slots }, i) => isOff({ has: slotsIn(slots), wanted: wanted[i] ?? 0, thresholdPercent }));
  return off ? movesTo(withCounts(masters, wanted)) : [];
}

/**
 * The fewest moves where nobody asked for even shares: masters without slots get theirs, those with weight 0 give all of theirs, and what others have is
 * touched only for that. What is given goes where least is, and what is needed comes from where most is.
 */
export function fillAndDrain(masters: readonly SharingMaster[]): SlotMove[] {
  return movesTo(withCounts(masters, leastChange(masters)));
}

/** How far off a master is: by more than so many per cent of what is wanted; any at all where nothing is wanted, or nothing is there. */
export function isOff({
  has,
  wanted,
  thresholdPercent,
}: {
  readonly has: number;
  readonly wanted: number;
  readonly thresholdPercent: number;
}): boolean {
  if (has === wanted) return false;
  return wanted === 0 || has === 0 || Math.abs(has - wanted) * 100 > thresholdPercent * wanted;
}

/** The share of each in whole slots, less than one off the exact one. A remainder goes first to those who own more than the rounded share already. */
export function wantedCounts(masters: readonly SharingMaster[]): number[] {
  const owned = masters.map(({ slots }) => slotsIn(slots));
  const total = sum(owned);
  const weights = masters.map(({ weight }) => Math.round(weight / WEIGHT_UNIT));
  const whole = sum(weights);
  if (whole === 0) return owned;
  const floors = weights.map((weight) => Math.floor((total * weight) / whole));
  const remainders = weights.map((weight) => (total * weight) % whole);
  const saves = (i: number) => ((owned[i] ?? 0) > (floors[i] ?? 0) ? 1 : 0);
  const raised = masters
    .map((_, i) => i)
    .filter((i) => (remainders[i] ?? 0) > 0)
    .sort((a, b) => saves(b) - saves(a) || (remainders[b] ?? 0) - (remainders[a] ?? 0) || a - b)
    .slice(0, total - sum(floors));
  return floors.map((floor, i) => (raised.includes(i) ? floor + 1 : floor));
}

function leastChange(masters: readonly SharingMaster[]): number[] {
  const owned = masters.map(({ slots }) => slotsIn(slots));
  if (sum(masters.map(({ weight }) => weight)) === 0) return owned;
  const even = wantedCounts(masters);
  const open = masters.map(({ weight }, i) => {
    const [has = 0, share = 0] = [owned[i], even[i]];
    return { weight, count: weight === 0 ? 0 : has === 0 ? share : has, gives: weight > 0 && has > 0 };
  });
  const by = (a: (typeof open)[number], b: (typeof open)[number]) => a.count / a.weight - b.count / b.weight;
  for (let over = sum(open.map(({ count }) => count)) - sum(owned); over > 0; over -= 1) {
    const [most] = open.filter(({ gives }) => gives).sort((a, b) => by(b, a));
    if (most !== undefined) most.count -= 1;
  }
  for (let free = sum(owned) - sum(open.map(({ count }) => count)); free > 0; free -= 1) {
    const [least] = open.filter(({ weight }) => weight > 0).sort(by);
    if (least !== undefined) least.count += 1;
  }
  return open.map(({ count }) => count);
}

function withCounts(masters: readonly SharingMaster[], wanted: readonly number[]) {
  return masters.map(({ name, slots }, i) => ({ name, slots, wanted: wanted[i] ?? 0 }));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
