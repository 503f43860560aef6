import type { PlannedReplica } from './plan.js';
import type { MoveProgress, SlotMove } from './slot-moves.js';
import type { SlotRepair } from './slot-repairs.js';
import type { ClusterSpec } from './spec.js';
import type { StepResult } from './steps.js';
import type { StepToken } from './survey.js';

/** A step on the cluster as a whole, over Redis, behind the fence of its attempt. */
export interface ClusterStep {
  readonly spec: ClusterSpec;
  readonly token: StepToken;
}

/** A member, with Redis's own ID: a name alone could be another node by the time it is acted upon. */
export interface NamedNode {
  readonly name: string;
  readonly nodeId: string;
}

/** New nodes meet the cluster: as masters without slots, or as replicas in sync. */
export interface JoinNodesStep extends ClusterStep {
  readonly masters: readonly string[];
  readonly replicas: readonly PlannedReplica[];
}

export interface Joined extends StepResult {
  /** Redis's own ID of each declared node that answers, by the node's name. */
  readonly identities: Readonly<Record<string, string>>;
}

/** A member becomes the replica of another master, or of its master again. */
export interface AttachReplicaStep extends ClusterStep, PlannedReplica {}

/** A replica becomes the master of its shard, without a lost write (CLUSTER FAILOVER). */
export interface SwitchMasterStep extends ClusterStep {
  readonly node: string;
}

/** Nodes are forgotten by all others, and what answers of them is reset. */
export interface ForgetNodesStep extends ClusterStep {
  readonly nodes: readonly NamedNode[];
}

/** After the ban window: nobody may know them any more; who does is told again. */
export type AwaitForgottenStep = ForgetNodesStep;

/** Replica migration of Redis's own is off (pin), or as the spec wants it again (unpin). */
export interface PinReplicasStep extends ClusterStep {
  readonly nodes: readonly string[];
}

export interface RepairSlotsStep extends ClusterStep {
  readonly repairs: readonly SlotRepair[];
}

export interface MoveSlotsStep extends ClusterStep {
  readonly moves: readonly SlotMove[];
  /** After so many milliseconds it closes what is open and says how far it got. */
  readonly budgetMs: number;
}

export interface MovedSlots extends StepResult {
  readonly progress: MoveProgress;
}
