import type { FormingNode } from './formation.js';
import { selfOf, type ViewEntry } from './observation.js';
import { ownClaims, viewedOwners } from './ownership.js';
import { endpoint, hasFailed, inHandshake } from './picture.js';
import { formatRanges } from './slots.js';

/** What has not come true yet, in words: a formation is not done before every node sees the same, serves, and every replica is in sync. */
export function missingUntilDone(nodes: readonly FormingNode[]): string[] {
  const claims = ownClaims(nodes);
  const own = ownersText(nodes.flatMap(({ id, view }) => view.filter((entry) => entry.id === id)));
  return [
    ...unclear(claims),
    ...nodes.filter(({ clusterState }) => clusterState !== 'ok').map(({ name }) => `${name} says cluster_state:fail`),
    ...nodes.flatMap((node) => viewProblems(node, nodes)),
    ...nodes
      .filter((node) => ownersText(node.view) !== own && !agrees(node, claims))
      .map(({ name }) => `${name} sees other owners of slots`),
    ...sameEpochs(nodes),
    ...nodes.flatMap((node) => replicaProblems(node, nodes)),
  ];
}

function unclear(claims: readonly (readonly string[])[]): string[] {
  const free = claims.filter((owners) => owners.length === 0).length;
  const contested = claims.filter((owners) => owners.length > 1).length;
  return [
    ...(free > 0 ? [`${free} slots have no owner`] : []),
    ...(contested > 0 ? [`${contested} slots have more than one owner`] : []),
  ];
}

/** How the node sees each other one, against what that one says of itself. */
function viewProblems(viewer: FormingNode, nodes: readonly FormingNode[]): string[] {
  const handshakes = viewer.view
    .filter(inHandshake)
    .map((entry) => `${viewer.name} is in a handshake with ${endpoint(entry)}`);
  return [...handshakes, ...nodes.flatMap((node) => sightProblems(viewer, node))];
}

/** How one node sees another, or itself, against what that one says of itself. */
export function sightProblems(viewer: FormingNode, node: FormingNode): string[] {
  const entry = viewer.view.find(({ id }) => id === node.id);
  if (entry === undefined || inHandshake(entry)) return [`${viewer.name} does not know ${node.name}`];
  if (hasFailed(entry)) return [`${viewer.name} takes ${node.name} for failed`];
  if (entry.link === 'disconnected') return [`${viewer.name} has no bus link to ${node.name}`];
  const masterId = selfOf(node)?.masterId ?? null;
  return entry.masterId === masterId ? [] : [`${viewer.name} sees another role of ${node.name}`];
}

/** The owners and their slots in words: where two are the same, so are all slots, and they need not be gone through one by one. */
function ownersText(entries: readonly ViewEntry[]): string {
  const owners = entries.filter(({ masterId, slots }) => masterId === null && slots.length > 0);
  return owners
    .map(({ id, slots }) => `${id} ${formatRanges(slots)}`)
    .sort()
    .join('\n');
}

function agrees(viewer: FormingNode, claims: readonly (readonly string[])[]): boolean {
  const owners = viewedOwners(viewer.view);
  return claims.every((own, slot) => own[0] === owners[slot]);
}

function sameEpochs(nodes: readonly FormingNode[]): string[] {
  const byEpoch = new Map<number, string>();
  return nodes.flatMap((node) => {
    const self = node.view.find(({ id }) => id === node.id);
    if (self === undefined || self.masterId !== null || self.slots.length === 0) return [];
    const before = byEpoch.get(self.configEpoch);
    byEpoch.set(self.configEpoch, node.name);
    return before === undefined ? [] : [`${before} and ${node.name} have the same config epoch ${self.configEpoch}`];
  });
}

/** What a replica is short of to be a copy of its master; nothing for a master. */
export function replicaProblems(node: FormingNode, nodes: readonly FormingNode[]): string[] {
  const { replication } = node;
  const masterId = node.view.find(({ id }) => id === node.id)?.masterId ?? null;
  if (masterId === null) return [];
  if (replication.role === 'master') return [`${node.name} has not become a replica`];
  const master = nodes.find(({ id }) => id === masterId);
  if (replication.syncing) return [`${node.name} is in its first sync`];
  if (replication.link === 'down') return [`${node.name} has no replication link`];
  const copied = endpoint({ address: replication.masterAddress, port: replication.masterPort });
  return master === undefined || endpoint(master) === copied ? [] : [`${node.name} copies ${copied}`];
}
