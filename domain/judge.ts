import type { Expectation } from './expectation.js';
import { expectationFindings } from './judge-expectation.js';
import { nodeFindings } from './judge-nodes.js';
import { lagBytes, replicationFindings } from './judge-replication.js';
import { slotFindings } from './judge-slots.js';
import { type AnsweringNode, type Observation, selfOf, type SilentNode } from './observation.js';
import { hearsay, pictureOf, type Picture } from './picture.js';
import { type Finding, type FindingCode, FINDING_CODES, type NodeStatus, type Verdict } from './verdict.js';

export interface JudgeInput {
  readonly observation: Observation;
  /** `null` for a cluster that no spec declares: then only its structure is judged. */
  readonly expectation: Expectation | null;
  /** What the verdict calls the cluster. */
  readonly cluster: string;
}

/** What an observation means. Healthy where no finding is an error; a node that does not answer always is one. */
export function judge({ observation, expectation, cluster }: JudgeInput): Verdict {
  const picture = pictureOf(observation, expectation);
  const findings = [
    ...nodeFindings(picture),
    ...slotFindings(picture),
    ...replicationFindings(picture),
    ...expectationFindings(picture),
  ].sort(bySeverityThenCode);
  return {
    cluster,
    healthy: !findings.some(({ severity }) => severity === 'error'),
    asOf: observation.asOf,
    findings,
    nodes: picture.nodes.map((node) => (node.answered ? answeringStatus(picture, node) : silentStatus(picture, node))),
  };
}

/** Whether nothing is half done, whatever the shape: no slot is open, contested or unserved, and all see the same. */
export function isSettled({ findings }: Verdict): boolean {
  return !findings.some(({ code, severity }) => severity === 'error' && HALF_STATES.has(code));
}

const HALF_STATES: ReadonlySet<FindingCode> = new Set<FindingCode>([
  'ClusterDown',
  'SlotUncovered',
  'SlotConflict',
  'OpenSlot',
  'OpenSlotTask',
  'StrayKeys',
  'SplitView',
]);

/** The order in which findings are shown. */
export function bySeverityThenCode(a: Finding, b: Finding): number {
  if (a.severity !== b.severity) return a.severity === 'error' ? -1 : 1;
  return FINDING_CODES.indexOf(a.code) - FINDING_CODES.indexOf(b.code);
}

function answeringStatus(picture: Picture, node: AnsweringNode): NodeStatus {
  const self = selfOf(node);
  const { id, name, host, address, port, zone, keys, usedMemoryBytes, maxmemoryBytes, version } = node;
  const masterId = self?.masterId ?? null;
  return {
    ...{ id, name, host, address, port, zone, keys, usedMemoryBytes, maxmemoryBytes, version },
    role: masterId === null ? 'master' : 'replica',
    masterId,
    slots: self?.slots ?? [],
    lagBytes: lagBytes(picture, node),
    answered: true,
  };
}

/** Of a silent node only what the others say of it is known. */
function silentStatus(picture: Picture, node: SilentNode): NodeStatus {
  const known = hearsay(picture, node);
  const { name, host, address, port, zone } = node;
  return {
    ...{ name, host, address, port, zone },
    id: known?.id ?? null,
    role: known === undefined ? 'unknown' : known.masterId === null ? 'master' : 'replica',
    masterId: known?.masterId ?? null,
    slots: known?.slots ?? [],
    keys: null,
    usedMemoryBytes: null,
    maxmemoryBytes: null,
    lagBytes: null,
    version: null,
    answered: false,
  };
}
