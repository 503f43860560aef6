import type { PlannedReplica } from './plan.js';
import type { SlotMove } from './slot-moves.js';
import type { BalanceSpec } from './spec.js';

/** What an operation is to reach, beside or instead of what the spec says. References and names only: it is kept in Temporal's history. */
export type Goal =
  /** What the spec declares: `apply`, `scale`, `replace`. `attach`: whom new replicas are to follow, where a person said so. */
  | { readonly kind: 'spec'; readonly attach?: readonly PlannedReplica[]; readonly moves?: readonly SlotMove[] }
  /** Even or weighted shares: `rebalance`. `moves`: as they were shown, where they follow from what changes with every write. */
  | { readonly kind: 'balance'; readonly balance: BalanceSpec; readonly moves?: readonly SlotMove[] }
  /** These slots to these shards, and nothing else: `reshard`. */
  | { readonly kind: 'slots'; readonly moves: readonly SlotMove[] }
  /** No half state left, and nothing else: `repair`. */
  | { readonly kind: 'repair' };
