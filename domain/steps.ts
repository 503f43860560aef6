import type { ClusterSpec } from './spec.js';
import type { Lease, StepToken } from './survey.js';

/** What a step really did, one line each; empty where everything was as wanted. */
export interface StepResult {
  readonly effects: readonly string[];
}

export interface HostStep {
  readonly spec: ClusterSpec;
  readonly host: string;
  readonly token: StepToken;
}

/** The same on several hosts. */
export interface HostsStep {
  readonly spec: ClusterSpec;
  readonly hosts: readonly string[];
  readonly token: StepToken;
}

export interface NodeStep extends HostStep {
  readonly port: number;
}

/** Whether a node that the boot guard holds back starts all the same; it holds for this one start. */
export interface StartChoice {
  readonly empty?: 'accepted';
}

export interface LeaseRequest {
  readonly spec: ClusterSpec;
  readonly host: string;
  readonly lease: Lease;
  /** The run whose unreleased lease is taken over by name. */
  readonly breakLease?: string;
  /** The generation that the host had when it was examined: a record that is younger was wiped since. */
  readonly seen?: number;
}

export interface LeasesRequest extends Pick<LeaseRequest, 'spec' | 'lease' | 'breakLease'> {
  /** By host, the generation that it had when it was examined. */
  readonly seen: Readonly<Record<string, number>>;
}

export interface MembersRequest extends Pick<HostStep, 'spec' | 'token'> {
  /** Redis's own ID of each member, by the node's name. */
  readonly identities: Readonly<Record<string, string>>;
}
