import type { SlotRange } from './slots.js';

/** Slots that are to go from one shard to another. */
export interface SlotMove {
  readonly ranges: readonly SlotRange[];
  /** Name of the master that owned them when the move was planned. Who owns them by now is looked up: a failover changes it. */
  readonly from: string;
  /** Name of a node of the shard that gets them; its master of the moment does. */
  readonly to: string;
}

/** What a batch of a move is told: the whole move, of which it does as much as fits into its time. */
export interface MoveProgress {
  /** Slots of the whole move that are at their target by now, and those that are not yet. */
  readonly slotsDone: number;
  readonly slotsLeft: number;
  /** Keys and bytes (as far as the server tells, else 0) that this batch moved, and how long it took. */
  readonly keys: number;
  readonly bytes: number;
  readonly tookMs: number;
  /** What clients would have seen of the nodes at work meanwhile, measured by the mover itself; `null` where it could not measure. */
  readonly p99Ms: number | null;
}

/** What is known of a move beforehand. It changes with every write, so it is no part of what is agreed. */
export interface MoveForecast {
  readonly mover: 'atomic' | 'keys';
  readonly slots: number;
  readonly keys: number;
  /** Estimated from samples. */
  readonly bytes: number;
  /** The largest first. */
  readonly largestKeys: readonly KeySize[];
  readonly seconds: number;
  readonly targets: readonly TargetForecast[];
}

export interface KeySize {
  readonly node: string;
  readonly slot: number;
  readonly key: string;
  readonly bytes: number;
}

/** Memory of a master that gets slots. */
export interface TargetForecast {
  readonly node: string;
  readonly usedBytes: number;
  readonly afterBytes: number;
  /** 0 where the node has no limit. */
  readonly maxmemoryBytes: number;
}
