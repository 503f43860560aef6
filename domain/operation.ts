import type { FailureText, FailureType } from './errors.js';
import type { Goal } from './goal.js';
import type { OperationKind, Plan } from './plan.js';
import type { MoveProgress } from './slot-moves.js';
import type { ClusterSpec } from './spec.js';
import type { Verdict } from './verdict.js';

/** What starts an operation. References only: it is kept in Temporal's history. */
export interface OperationInput {
  readonly spec: ClusterSpec;
  /** Digest of the plan that was shown; the operation refuses where the world gives another one. */
  readonly planDigest: string;
  readonly actor: string;
  readonly reason: string;
  /** The run whose foreign lease is taken over by name. */
  readonly breakLease?: string;
  /** What is to be reached; what the spec says where it is absent. */
  readonly goal?: Goal;
  /** `destroy` only. */
  readonly data?: DataDecision;
}

export interface DataDecision {
  /** The cluster's name, said once more: data may be lost to its clients. */
  readonly confirmed: boolean;
  readonly folders: 'keep' | 'delete';
}

export type Phase = 'preflight' | 'plan' | 'steps' | 'proof' | 'report';

export type Outcome = 'done' | 'failed' | 'refused' | 'cancelled';

export interface StepRecord {
  readonly id: string;
  readonly title: string;
  readonly state: 'waiting' | 'running' | 'changed' | 'unchanged' | 'failed' | 'skipped';
  /** ISO 8601 */
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** What the step really did, one line each; empty where everything was as wanted. */
  readonly effects: readonly string[];
  /** Of a step that moves slots: how far it is. */
  readonly moved?: MoveTotals;
}

/** How far the slots of a step are, all its batches together. */
export interface MoveTotals extends Omit<MoveProgress, 'tookMs'> {
  readonly keysPerSecond: number;
  readonly bytesPerSecond: number;
  /** `null` until it can be told. */
  readonly secondsLeft: number | null;
}

/** What a person says who holds an operation between its steps. */
export interface PauseRequest {
  readonly actor: string;
  readonly reason: string;
}

export interface Pause extends PauseRequest {
  /** ISO 8601 */
  readonly since: string;
}

export interface EndedPause extends Pause {
  /** ISO 8601 */
  readonly until: string;
  /** Absent where the operation came to its end while it stood: cancelled, or failed elsewhere. */
  readonly resumedBy?: string;
}

/** The answer of the `progress` query; small, and enough to follow a run. */
export interface Progress {
  readonly operation: OperationKind;
  readonly cluster: string;
  readonly actor: string;
  readonly reason: string;
  readonly startedAt: string;
  readonly phase: Phase;
  /** Present while somebody holds it: steps that run come to their end, no other begins. */
  readonly paused?: Pause;
  readonly steps: readonly StepRecord[];
}

/** The record of one run: the workflow's result. A stable contract for scripts (docs/contract.md). */
export interface OperationReport {
  readonly operation: OperationKind;
  readonly cluster: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly outcome: Outcome;
  readonly changed: boolean;
  readonly actor: string;
  readonly reason: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly generation: number | null;
  readonly plan: Plan | null;
  readonly steps: readonly StepRecord[];
  /** Absent where it was never paused. */
  readonly pauses?: readonly EndedPause[];
  readonly verdictBefore: Verdict | null;
  readonly verdictAfter: Verdict | null;
  readonly failure?: { readonly type: FailureType; readonly text: FailureText };
}
