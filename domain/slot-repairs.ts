import type { SlotRange } from './slots.js';

/** A half state of slots, and how it is mended. Decided from what the nodes say; done again it finds nothing to do. */
export interface SlotRepair {
  readonly repair: RepairName;
  readonly ranges: readonly SlotRange[];
  /** Name of a node of the shard that owns the slots in the end. */
  readonly owner: string;
  /** What was seen, in words that stay the same while nothing but keys changes. */
  readonly why: string;
}

/** What is done about a half state, by name. */
export const REPAIRS = {
  /** The move is carried on to its target: flags set again on both ends, keys moved, the owner told to all. */
  'finish-move': 'finish the move',
  /** Nothing was moved: the flags are taken away. */
  'close-slot': 'close the slots',
  /** One owner is told to who sees another one. */
  'tell-owner': 'tell the owner to all',
} as const satisfies Record<string, string>;

export type RepairName = keyof typeof REPAIRS;
