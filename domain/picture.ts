import type { Expectation } from './expectation.js';
import {
  type AnsweringNode,
  answering,
  type Observation,
  type ObservedNode,
  selfOf,
  type SilentNode,
  type ViewEntry,
} from './observation.js';
import type { Finding, FindingCode, Severity } from './verdict.js';

/** What one node's view says of one member. */
export interface Sighting {
  readonly viewer: AnsweringNode;
  readonly entry: ViewEntry;
}

/** An observation with what the rules of the verdict ask of it again and again. */
export interface Picture {
  readonly expectation: Expectation | null;
  readonly nodes: readonly ObservedNode[];
  readonly answering: readonly AnsweringNode[];
  readonly silent: readonly SilentNode[];
  /** The answering nodes that know each other: the cluster. Nodes outside of it are no members. */
  readonly members: readonly AnsweringNode[];
  /** All members' words about each ID, finished handshakes only. */
  readonly sightings: ReadonlyMap<string, readonly Sighting[]>;
}

export function pictureOf(observation: Observation, expectation: Expectation | null): Picture {
  const answered = answering(observation);
  const members = largestGroup(answered);
  return {
    expectation,
    nodes: observation.nodes,
    answering: answered,
    silent: observation.nodes.filter((node) => !node.answered),
    members,
    sightings: collectSightings(members),
  };
}

function collectSightings(members: readonly AnsweringNode[]): Map<string, Sighting[]> {
  const sightings = new Map<string, Sighting[]>();
  for (const viewer of members) {
    for (const entry of viewer.view) {
      if (inHandshake(entry)) continue;
      const before = sightings.get(entry.id);
      if (before === undefined) sightings.set(entry.id, [{ viewer, entry }]);
      else before.push({ viewer, entry });
    }
  }
  return sightings;
}

/** The largest set of nodes connected by one knowing the other; where two are equal, the one that owns more slots, then the first. */
export function largestGroup<Node extends Pick<AnsweringNode, 'id' | 'view'>>(nodes: readonly Node[]): Node[] {
  const weight = (group: Node[]) =>
    group.length * 1e6 + group.reduce((sum, node) => sum + (selfOf(node)?.slots.length ?? 0), 0);
  return knownGroups(nodes).reduce<Node[]>((best, group) => (weight(group) > weight(best) ? group : best), []);
}

/** Splits nodes into sets connected by one having the other in its view. */
export function knownGroups<Node extends Pick<AnsweringNode, 'id' | 'view'>>(nodes: readonly Node[]): Node[][] {
  const rest = new Set(nodes);
  const groups: Node[][] = [];
  for (const first of nodes) {
    if (!rest.delete(first)) continue;
    const group = [first];
    for (const node of group) {
      for (const other of [...rest].filter((candidate) => knows(node, candidate) || knows(candidate, node))) {
        rest.delete(other);
        group.push(other);
      }
    }
    groups.push(group);
  }
  return groups;
}

export function knows(viewer: Pick<AnsweringNode, 'view'>, other: Pick<AnsweringNode, 'id'>): boolean {
  return viewer.view.some((entry) => entry.id === other.id && !inHandshake(entry));
}

export function inHandshake(entry: ViewEntry): boolean {
  return entry.flags.includes('handshake');
}

export function hasFailed(entry: Pick<ViewEntry, 'flags'>): boolean {
  return entry.flags.includes('fail') || entry.flags.includes('fail?');
}

export function endpoint({ address, port }: Pick<ViewEntry, 'address' | 'port'>): string {
  return `${address}:${port}`;
}

/** What the members say of a node that does not answer, found by its address; the newest word where they differ. */
export function hearsay(picture: Picture, node: SilentNode): ViewEntry | undefined {
  return [...picture.sightings.values()]
    .flat()
    .map(({ entry }) => entry)
    .filter((entry) => endpoint(entry) === endpoint(node))
    .sort((a, b) => b.configEpoch - a.configEpoch)[0];
}

/** How people know an ID: the node's name, else its address with the beginning of its ID. */
export function nameOfId(picture: Picture, id: string): string {
  const answered = picture.answering.find((node) => node.id === id);
  if (answered !== undefined) return answered.name;
  const entry = picture.sightings.get(id)?.[0]?.entry;
  if (entry === undefined) return `an unknown node ${id.slice(0, 8)}`;
  const silent = picture.silent.find((node) => endpoint(node) === endpoint(entry));
  return silent?.name ?? `${endpoint(entry)} (${id.slice(0, 8)})`;
}

/** Whether the spec lets the node leave: what it lacks then is no fault. */
export function isLeaving({ expectation }: Picture, { name }: Pick<ObservedNode, 'name'>): boolean {
  return expectation?.leaving[name] !== undefined;
}

export function names(nodes: readonly { readonly name: string }[]): string {
  return nodes.map(({ name }) => name).join(', ');
}

export interface FindingText {
  readonly code: FindingCode;
  readonly severity?: Severity;
  readonly about?: Pick<ObservedNode, 'host' | 'name'>;
  readonly evidence: string;
  readonly next: string;
}

/** An `error` unless it says otherwise. */
export function finding({ code, severity = 'error', about, evidence, next }: FindingText): Finding {
  return { code, severity, ...(about && { host: about.host, node: about.name }), evidence, next };
}
