/** A slot, and how many keys its owner has in it. */
export interface SlotKeys {
  readonly slot: number;
  readonly keys: number;
}

/** Slots that are open at once in one lane's group: they share the round trips of opening and closing, and one write of nodes.conf. */
const MOST_SLOTS = 64;

/** Keys of a group, so that one that was begun is finished soon where somebody wants us to stop. */
const MOST_KEYS = 8000;

/**
 * So much of the work of a second is opened at once. Where clients come first, less: of an open slot, each of them may be sent on to the target, which doubles its wait. With a second's half, one in
 * thirty writes to slots on their way is to an open one, and that is what a 99th percentile shows.
 */
const SHARE_OF_A_SECOND = { speed: 0.5, clients: 0.025 } as const;

export interface GroupBounds {
  readonly keysPerSecond: number;
  /** Whether the move is to be as fast as it can, or to spare clients. */
  readonly first: keyof typeof SHARE_OF_A_SECOND;
}

/**
 * The first of these slots that are opened together: few where they have many keys, or where keys go slowly. One at least: a slot is never moved in parts, so
 * one with very many keys takes as long as it takes.
 */
export function cutGroup(slots: readonly SlotKeys[], { keysPerSecond, first }: GroupBounds): SlotKeys[] {
  const most = Math.min(MOST_KEYS, keysPerSecond * SHARE_OF_A_SECOND[first]);
  const group: SlotKeys[] = [];
  let keys = 0;
  for (const slot of slots) {
    keys += slot.keys;
    if (group.length > 0 && (keys > most || group.length >= MOST_SLOTS)) break;
    group.push(slot);
  }
  return group;
}
