import { wantedEngine } from './install.js';
import { type DeclaredNode, stayingNodes } from './nodes.js';
import type { Observation } from './observation.js';
import type { Goal } from './goal.js';
import type { SlotFacts } from './move-facts.js';
import type { DifferingFile, OperationKind, Refusal } from './plan.js';
import type { ReachReport } from './reach.js';
import type { SlotRepair } from './slot-repairs.js';
import type { ClusterSpec } from './spec.js';
import type { HostSurvey, NodeFileRole, NodeSurvey } from './survey.js';

/** sha256 of each file as the spec and its secrets render it. */
export type WantedFiles = Readonly<Record<NodeFileRole, string>>;

/** All that the plan of an `apply` follows from. */
export interface ApplyWorld {
  readonly spec: ClusterSpec;
  /** Digest of the host helper that this version of RedisForge installs. */
  readonly helperSha256: string;
  readonly surveys: readonly HostSurvey[];
  /** What could not be surveyed, already in words. */
  readonly unsurveyed: readonly Refusal[];
  readonly observation: Observation;
  /** sha256 of the template unit, by host name; empty where nodes are not run by systemd. */
  readonly wantedUnits: Readonly<Record<string, string>>;
  /** By node name. */
  readonly wantedFiles: Readonly<Record<string, WantedFiles>>;
  /**
   * By node name: digests that redis.conf would have if the spec said what the node runs with. A file on the host that has one of them differs from the
   * wanted one in nothing that CONFIG GET does not show.
   */
  readonly configAsRunning: Readonly<Record<string, readonly string[]>>;
  /** Running settings by name, as CONFIG GET would print what the spec wants. */
  readonly settings: Readonly<Record<string, string>>;
  /** By node name, where files differ: users that the node has with another secret, or not at all; `null` where it could not be asked. */
  readonly otherSecrets: Readonly<Record<string, readonly string[] | null>>;
  /** Absent where the ports between the hosts were not tried. */
  readonly reach?: ReachReport;
  /** What is to be reached; what the spec declares where it is absent. */
  readonly goal?: Goal;
  /** What the plan is called; `apply` where it is absent. */
  readonly operation?: OperationKind;
  /** What the masters say of their slots' contents; absent where they were not asked. */
  readonly slotFacts?: SlotFacts;
  /** How the half states that were found are mended, before anything else. */
  readonly repairs?: readonly SlotRepair[];
}

/** Whether the hosts' records know every declared node as a member; those that are to leave do not count. */
export function everFormed({ spec, surveys }: Pick<ApplyWorld, 'spec' | 'surveys'>): boolean {
  return spec.hosts.every(({ name, nodes }) => {
    const known = surveys.find(({ host }) => host === name)?.record.identities ?? {};
    return nodes.every(({ port, leaving }) => leaving !== undefined || known[String(port)] !== undefined);
  });
}

/** The files of a node that are not on its host as the spec renders them, and its link where it leads elsewhere. */
export function differingFiles(
  { spec, wantedFiles }: Pick<ApplyWorld, 'spec' | 'wantedFiles'>,
  node: Pick<DeclaredNode, 'name'>,
  { files, engine }: Pick<NodeSurvey, 'files' | 'engine'>,
): DifferingFile[] {
  const wanted = wantedFiles[node.name];
  if (wanted === undefined) return [];
  const parts = { ...wanted, engine: wantedEngine(spec) };
  const there = { ...files, engine };
  return (['config', 'acl', 'service', 'engine'] as const)
    .filter((role) => parts[role] !== null && there[role] !== parts[role])
    .map((role) => ({ role, action: there[role] === null ? 'create' : 'update' }));
}

/** What the survey says of a declared node. */
export function nodeSurvey(
  surveys: readonly HostSurvey[],
  node: Pick<DeclaredNode, 'host' | 'port'>,
): NodeSurvey | undefined {
  return surveys.find(({ host }) => host === node.host)?.nodes.find(({ port }) => port === node.port);
}

/** Names of the nodes that stay, run, and whose files are not all on their host as the spec renders them. */
export function runningWithOtherFiles(world: Pick<ApplyWorld, 'spec' | 'surveys' | 'wantedFiles'>): string[] {
  return stayingNodes(world.spec)
    .filter((node) => {
      const survey = nodeSurvey(world.surveys, node);
      return survey?.service.state === 'running' && differingFiles(world, node, survey).length > 0;
    })
    .map(({ name }) => name);
}
