/** Why a node may not start by itself: it was a member, and what it would load is not there. The host helper finds out (`node guard`). */
const REASONS = {
  'no-data': 'its data folder is missing, empty or cannot be read',
  'no-nodes-conf': 'its nodes.conf is missing or names nobody as itself',
  'other-identity':
    'its nodes.conf is of another node than the one that the host remembers: it is another volume, or was reset',
  'no-aof': 'it was a master with slots, and the append-only log that it would load is not there',
  'aof-beside-rdb':
    'it was a master with slots, and appendonly is on beside only a dump: Redis would not load the dump, and begin empty',
  'no-rdb': 'it was a master with slots, and the dump that it would load is not there',
  'no-persistence': 'it was a master with slots and writes no data to disk',
} as const;

export type GuardReason = keyof typeof REASONS;

export function isGuardReason(word: string): word is GuardReason {
  return Object.hasOwn(REASONS, word);
}

/** The reason as the end of a sentence about the node. */
export function guardWords(reason: GuardReason): string {
  return REASONS[reason];
}

/** Whether the node still knows who it is: only then does it find its place in the cluster again when it starts empty. */
export function keepsIdentity(reason: GuardReason): boolean {
  return reason !== 'no-data' && reason !== 'no-nodes-conf' && reason !== 'other-identity';
}
