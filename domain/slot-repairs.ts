import type { SlotMove } from './slot-moves.js';
import { formatRanges, type SlotRange } from './slots.js';

/** A half state of slots, and how it is mended. Decided from what the nodes say; done again it finds nothing to do. */
export interface SlotRepair {
  readonly repair: RepairName;
  /** None where the engine does not say which slots it is about. */
  readonly ranges: readonly SlotRange[];
  /** Name of a node of the shard that owns the slots in the end. */
  readonly owner: string;
  /** Name of the node that gives keys or a claim away, where there is one. */
  readonly from?: string;
  /** What was seen, in words that stay the same while nothing but keys changes. */
  readonly why: string;
}

/** What is done about a half state, by name. Forward, not back: only where no key has been moved is a move given up. */
export const REPAIRS = {
  /** The engine's own tasks of moving slots come to their end; one that fails again and again is cancelled. */
  'settle-tasks': 'end the slot tasks',
  /** The move is carried on to its target: flags set again on both ends, keys moved, the owner told to all. */
  'finish-move': 'finish the move of',
  /** Keys of a third node are brought to the one that owns their slots in the end; of two copies the owner's is kept. */
  'gather-keys': 'bring home the keys of',
  /** Nothing was moved: the flags are taken away. */
  'close-slot': 'close',
  /** A node that does not say of which slots it has keys is made to; what is found goes on as a move that is finished. */
  'uncover-keys': 'find the slots of hidden keys',
  /** One owner is told to who sees another one, and its claim is made the newest where it is not. */
  'tell-owner': 'tell all nodes the owner of',
  /** Nobody owns them or knows an owner. */
  'assign-slots': 'assign',
} as const satisfies Record<string, string>;

/** All slots of a move, for a repair that decides anew what each of them lacks; most lack nothing. */
export function slotsOf({ moves }: { readonly moves: readonly SlotMove[] }): SlotRepair[] {
  return moves.map(({ ranges, to }) => ({ repair: 'finish-move', ranges, owner: to, why: 'the move was interrupted' }));
}

export type RepairName = keyof typeof REPAIRS;

/** A repair in words: `finish the move of 100-102 from h1:6379 to h2:6379 (keys have been moved)`. */
export function describeRepair({ repair, ranges, owner, from, why }: SlotRepair): string {
  const slots = ranges.length === 0 ? '' : ` ${formatRanges(ranges)}`;
  const origin = from === undefined ? '' : ` from ${from}`;
  return `${REPAIRS[repair]}${slots}${origin} ${END[repair]} ${owner} (${why})`;
}

const END: Readonly<Record<RepairName, string>> = {
  'settle-tasks': 'on',
  'finish-move': 'to',
  'gather-keys': 'to',
  'close-slot': 'with',
  'uncover-keys': 'on',
  'tell-owner': 'which is',
  'assign-slots': 'to',
};
