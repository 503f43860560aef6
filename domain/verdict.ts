import type { SlotRange } from './slots.js';

export const FINDING_CODES = [
  'DeadMaster',
  'DeadReplica',
  'NodeDown',
  'NodeGuarded',
  'NodeLoading',
  'NodeBusy',
  'WrongSecret',
  'NotClusterMode',
  'NotMember',
  'ForeignMember',
  'LeavingMember',
  'GhostNode',
  'ClusterDown',
  'QuorumLost',
  'SlotUncovered',
  'SlotConflict',
  'OpenSlot',
  'OpenSlotTask',
  'StrayKeys',
  'SplitView',
  'EpochCollision',
  'FailureFlag',
  'AddressMismatch',
  'ReplicationDown',
  'ReplicationMismatch',
  'ReplicaBehind',
  'ReplicaOfReplica',
  'NoReplica',
  'WrongShape',
  'ZoneViolation',
  'ZoneHoldsMajority',
  'VersionSkew',
  'WrongVersion',
  'ConfigDrift',
  'FormationTuningLeft',
  'MovePinLeft',
  'DefaultUserOpen',
  'OsDrift',
  'LimitNotReached',
  'HostUnreachable',
] as const;

export type FindingCode = (typeof FINDING_CODES)[number];

/** `error` makes the verdict unhealthy; `warning` is shown and does not. */
export type Severity = 'error' | 'warning';

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly host?: string;
  readonly node?: string;
  /** What was seen, with the values. */
  readonly evidence: string;
  /** The next thing to do. */
  readonly next: string;
}

/** One row of `status`: a stable contract for scripts (docs/contract.md). */
export interface NodeStatus {
  /** Redis's own 40-character ID; `null` where the node did not answer and nobody knows it. */
  readonly id: string | null;
  readonly name: string;
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly zone: string | null;
  readonly role: 'master' | 'replica' | 'unknown';
  readonly masterId: string | null;
  readonly slots: readonly SlotRange[];
  readonly keys: number | null;
  readonly usedMemoryBytes: number | null;
  /** 0 where the node has no limit. */
  readonly maxmemoryBytes: number | null;
  /** Bytes behind its master; `null` for masters and where it cannot be known. */
  readonly lagBytes: number | null;
  readonly version: string | null;
  readonly answered: boolean;
}

/** What we conclude from an observation. */
export interface Verdict {
  readonly cluster: string;
  readonly healthy: boolean;
  readonly asOf: string;
  readonly findings: readonly Finding[];
  readonly nodes: readonly NodeStatus[];
}

/** Whether two verdicts speak of the same cluster: the same nodes in the same roles, with the same masters and slots. */
export function agree(a: Verdict, b: Verdict): boolean {
  const shape = ({ nodes }: Verdict) =>
    nodes
      .map(({ id, role, masterId, slots }) => JSON.stringify([id, role, masterId, slots]))
      .sort()
      .join('\n');
  return shape(a) === shape(b);
}
