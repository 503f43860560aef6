import type { ViewEntry } from './observation.js';
import { hasFailed } from './picture.js';

export interface Misled {
  /** The one that a node takes for the owner of a slot, as it sees it; absent where it knows of none. */
  readonly seen: ViewEntry | undefined;
  /** The true owner's config epoch. */
  readonly ownerEpoch: number;
}

/**
 * Whether gossip brings the true owner of a slot to a node that sees another one, once it has no flag for the slot: the claim is newer than that of the living master which it sees, or it sees
 * none. Such a node is not told by us: where it had heard that the other one claims the slot no more, Redis 7.0 would go on taking the slot for unclaimed, and give it to whoever claims it
 * next, however old the claim; keys that it had got for it meanwhile are thrown away (redis/redis#12564, mended in 7.2.2).
 */
export function gossipMends({ seen, ownerEpoch }: Misled): boolean {
  if (seen === undefined) return true;
  return seen.masterId === null && !hasFailed(seen) && ownerEpoch > seen.configEpoch;
}
