import type { SecretResolver } from '../../config/secrets.js';
import type { HostStep, LeaseRequest, NodeStep, StartChoice } from '../../domain/steps.js';
import type { ReachHost } from '../../domain/reach.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { HostAdapters } from './ask-host.js';
import { installEngine } from './install.js';
import { recordIdentities, releaseLease, takeLease } from './lease.js';
import { type DataChoice, type FileChoice, placeNode, prepareHost, releaseHost, removeNode } from './nodes.js';
import { applyProfile, type ProfileChoice } from './profile.js';
import { examinePorts } from './reach.js';
import { readJournal, readLog } from './reading.js';
import { startNode, stopNode } from './service.js';
import { surveyHost } from './survey.js';

export interface HostDeps extends HostAdapters {
  readonly secrets: SecretResolver;
}

/** All that is asked of a host or done to it. Each can be asked again; how is said at the function. */
export function createHostActivities(deps: HostDeps) {
  return {
    surveyHost: (input: { spec: ClusterSpec; host: string }) => surveyHost(deps, input),
    examinePorts: (input: { spec: ClusterSpec; hosts: readonly ReachHost[] }) => examinePorts(deps, input),
    takeLease: (request: LeaseRequest) => takeLease(deps, request),
    releaseLease: (step: HostStep) => releaseLease(deps, step),
    recordIdentities: (step: HostStep & { readonly identities: Readonly<Record<string, string>> }) =>
      recordIdentities(deps, step),
    prepareHost: (step: HostStep) => prepareHost(deps, step),
    applyProfile: (step: HostStep & ProfileChoice) => applyProfile(deps, step),
    installEngine: (step: HostStep) => installEngine(deps, step),
    placeNode: (step: NodeStep & FileChoice) => placeNode(deps, step),
    startNode: (step: NodeStep & StartChoice) => startNode(deps, step),
    stopNode: (step: NodeStep) => stopNode(deps, step),
    removeNode: (step: NodeStep & DataChoice) => removeNode(deps, step),
    releaseHost: (step: HostStep & DataChoice) => releaseHost(deps, step),
    readLog: (input: { spec: ClusterSpec; host: string; port: number; lines: number }) => readLog(deps, input),
    readJournal: (input: { spec: ClusterSpec; host: string }) => readJournal(deps, input),
  };
}

export type HostActivities = ReturnType<typeof createHostActivities>;
