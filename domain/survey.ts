import type { FailureType } from './errors.js';
import type { GuardReason } from './guard.js';
import type { SlotRange } from './slots.js';
import type { ServiceSpec } from './spec.js';

/** What one host says of itself: read only, taken in one round trip, before anything is changed. */
export interface HostSurvey {
  readonly host: string;
  readonly exam: HostExam;
  readonly record: HostRecord;
  /** The template unit of the cluster in systemd's folder, and the uid of the cluster that it says to be of; `null` where there is none. */
  readonly unit: { readonly sha256: string; readonly uid: string } | null;
  readonly nodes: readonly NodeSurvey[];
  /** Absent where the spec does not want to know (`os.profile: off`). */
  readonly os?: OsSurvey;
}

export interface HostExam {
  readonly hostname: string;
  readonly os: string;
  readonly arch: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly memoryAvailableBytes: number;
  /** Free bytes where the root folder is (or will be). */
  readonly diskFreeBytes: number;
  /** Clock of the host minus ours, milliseconds, as far as one round trip can tell. */
  readonly clockSkewMs: number;
  /** `null` where the server program is missing; else the words of `--version`. */
  readonly serverVersion: string | null;
  /** What the package manager says of the wanted package; `null` where it is not installed, or packages are not asked for. */
  readonly installedPackage: { readonly version: string; readonly held: boolean } | null;
  /** `null` where the root cannot be written, with the reason in `rootProblem`. */
  readonly rootProblem: string | null;
  /** Hard limit of open files for the SSH user. */
  readonly nofileLimit: number;
  /** Whether the helper runs as root there. */
  readonly privileged: boolean;
  /** `null` where the machine was not booted by systemd. */
  readonly systemdVersion: number | null;
  /** Tools that the helper needs and the host lacks (`flock`, `sha256sum`, `base64`, `setsid` …). */
  readonly missingTools: readonly string[];
}

/** The settings of the host's operating system that the profile speaks of (domain/os-profile.ts). */
export interface OsSurvey {
  /** What of the kernel's settings is this host's alone: all, those of its network, or none. */
  readonly own: 'machine' | 'network' | 'nothing';
  /** Why that is not all, as what the host is; empty where it is all. */
  readonly sharing: string;
  /** By the profile's keys; one that the kernel does not know is left out. */
  readonly settings: Readonly<Record<string, { readonly value: string; readonly writable: boolean }>>;
  /** What RedisForge's files on the host bring at the next boot. */
  readonly kept: Readonly<Record<string, string>>;
  /** Whether such files can be written. */
  readonly keepable: boolean;
  readonly swapBytes: number;
  /** The program that keeps the clock right; `null` where none runs. In a container, where it is the machine's affair, always one. */
  readonly timeService: string | null;
}

/** The small file set that each host keeps for its cluster. */
export interface HostRecord {
  /** Digest of the installed helper; `null` where there is none. */
  readonly helperSha256: string | null;
  readonly cluster: { readonly name: string; readonly uid: string } | null;
  /** Highest generation ever seen on this host; 0 on a bare one. */
  readonly generation: number;
  readonly lease: Lease | null;
  /** Redis IDs of the nodes that were formed here, by port. */
  readonly identities: Readonly<Record<string, string>>;
  /** IDs of nodes that left the cluster from this host; absent where none did. */
  readonly forgotten?: readonly string[];
}

/** The real lock: who works on this host. Released by the holder at its end, taken over only by name or by its own successor. */
export interface Lease {
  readonly generation: number;
  /** ID of the Temporal server's namespace: two servers never have the same. */
  readonly server: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly operation: string;
  readonly actor: string;
  /** ISO 8601 */
  readonly since: string;
}

export interface NodeSurvey {
  readonly port: number;
  /** sha256 of the files that are there, by role; `null` where a file is missing. */
  readonly files: Readonly<Record<NodeFileRole, string | null>>;
  /** Name of the engine that the node's link leads to; `null` where it has none. */
  readonly engine: string | null;
  readonly service: ServiceState;
  /** How it is kept running, as its service file says; `null` where it has none. */
  readonly method: ServiceSpec['method'] | null;
  /** Open files that the running process may have; `null` where none runs. */
  readonly nofile: number | null;
  /** Whether the data folder holds anything, and what. */
  readonly data: readonly string[];
  /** Who else listens on the node's port or bus port, where it is not the node's own service. */
  readonly portTakenBy: string | null;
}

export type NodeFileRole = 'config' | 'acl' | 'service';

/** What a node has on its host: its files, and the link to its engine. */
export type NodePart = NodeFileRole | 'engine';

export type ServiceState =
  | { readonly state: 'absent' }
  | { readonly state: 'running'; readonly pid: number }
  | { readonly state: 'exited'; readonly exitCode: number | null; readonly at: string }
  | { readonly state: 'stopped' }
  | {
      /** It does not run and may not start by itself: it was a member, and its data is not there. */
      readonly state: 'guarded';
      readonly reason: GuardReason;
      /** ISO 8601: when a start was first refused for this reason; else the time of the survey. */
      readonly at: string;
      /** What it owned when it was last up, where its nodes.conf is there. */
      readonly slots: readonly SlotRange[];
    };

/** Who acts: checked by the host helper in the same locked command as the effect. */
export interface StepToken {
  readonly generation: number;
  readonly step: string;
  readonly attempt: number;
  /** The Temporal run; a run that was made of this one by a reset has another. The worker knows it. */
  readonly run?: string;
}

/** The survey of a host, or in words why there is none. */
export type HostOutcome =
  | { readonly host: string; readonly surveyed: true; readonly survey: HostSurvey }
  | {
      readonly host: string;
      readonly surveyed: false;
      readonly failure: FailureType;
      readonly what: string;
      readonly next: string;
    };

/** The generation that each host had when it was asked. */
export function generationsSeen(outcomes: readonly HostOutcome[]): Record<string, number> {
  return Object.fromEntries(
    outcomes.flatMap((outcome) => (outcome.surveyed ? [[outcome.host, outcome.survey.record.generation]] : [])),
  );
}

/** Leases that were not released: whoever held them is at work still, or was terminated. */
export function leasesLeft(outcomes: readonly HostOutcome[]): Lease[] {
  return outcomes.flatMap((outcome) =>
    outcome.surveyed && outcome.survey.record.lease !== null ? [outcome.survey.record.lease] : [],
  );
}

/** Highest generation that any of the hosts has seen. */
export function highestGeneration(outcomes: readonly HostOutcome[]): number {
  return Math.max(0, ...outcomes.map((outcome) => (outcome.surveyed ? outcome.survey.record.generation : 0)));
}
