import type { KeySize } from './slot-moves.js';

/**
 * What the masters say of their slots' contents. It changes with every write: forecasts, refusals and shares by memory follow from it, and no step of a plan
 * carries a number of it.
 */
export interface SlotFacts {
  readonly masters: readonly MasterFacts[];
}

export interface MasterFacts {
  /** Its name, `host:port`. */
  readonly node: string;
  /** Of the slots that it owns; a slot that is missing has no key. */
  readonly keysPerSlot: readonly (readonly [slot: number, keys: number])[];
  /** As the server itself counts them (CLUSTER SLOT-STATS), `null` where it does not: then bytes are keys times `bytesPerKey`. */
  readonly bytesPerSlot: readonly (readonly [slot: number, bytes: number])[] | null;
  /** Sampled mean of MEMORY USAGE; 0 where it has no key. */
  readonly bytesPerKey: number;
  readonly usedMemoryBytes: number;
  /** 0 where it has no limit. */
  readonly maxmemoryBytes: number;
  /** The largest that the sample found, the largest first. */
  readonly largestKeys: readonly KeySize[];
}

export interface SlotContents {
  readonly keys: number;
  readonly bytes: number;
}

/** What is known of a slot's contents, by its number; nothing where nobody said so. */
export function contentsOf(facts: SlotFacts): (slot: number) => SlotContents {
  const contents = new Map<number, SlotContents>();
  for (const { keysPerSlot, bytesPerSlot, bytesPerKey } of facts.masters) {
    const counted = bytesPerSlot === null ? null : new Map(bytesPerSlot);
    for (const [slot, keys] of keysPerSlot) {
      contents.set(slot, { keys, bytes: counted?.get(slot) ?? Math.round(keys * bytesPerKey) });
    }
  }
  return (slot) => contents.get(slot) ?? { keys: 0, bytes: 0 };
}
