import type { FormationInput, FormingNode } from './formation.js';
import { LAG_BOUND_BYTES } from './judge-replication.js';
import { selfOf, type ViewEntry } from './observation.js';
import { ownClaims, viewedOwners } from './ownership.js';
import { hasFailed, inHandshake, knownGroups } from './picture.js';
import { slotsIn } from './slots.js';

/** A declared node as it was just looked at, whether it answered or not. */
export type LookedNode = FormationInput['observation']['nodes'][number];

export function answeringOf(nodes: readonly LookedNode[]): FormingNode[] {
  return nodes.filter((node): node is FormingNode => node.answered);
}

/** The nodes that know each other and own the slots: the formed cluster. Nobody where no slot is owned. */
export function formedGroup(nodes: readonly FormingNode[]): FormingNode[] {
  const slotsOf = (group: readonly FormingNode[]) => group.reduce((sum, node) => sum + ownedSlots(node), 0);
  return knownGroups(nodes).reduce<FormingNode[]>((best, group) => (slotsOf(group) > slotsOf(best) ? group : best), []);
}

/** Slots that a node claims as a master; a replica claims none. */
export function ownedSlots(node: FormingNode): number {
  const self = selfOf(node);
  return self === undefined || self.masterId !== null ? 0 : slotsIn(self.slots);
}

/** Whether a node is no replica by its own word. */
export function isMaster(node: FormingNode): boolean {
  return selfOf(node)?.masterId === null;
}

/** The master of the shard that a node is in at this moment; `undefined` where it does not answer. */
export function shardMaster(name: string, nodes: readonly FormingNode[]): FormingNode | undefined {
  const node = nodes.find((one) => one.name === name);
  if (node === undefined || isMaster(node)) return node;
  return nodes.find(({ id }) => id === selfOf(node)?.masterId);
}

/** Who copies a node, by their own words. */
export function replicasOf({ id }: Pick<FormingNode, 'id'>, nodes: readonly FormingNode[]): FormingNode[] {
  return nodes.filter((node) => selfOf(node)?.masterId === id);
}

/** Says where a replica is further behind its master than a failover may find it. */
export function lagProblems(node: FormingNode, nodes: readonly FormingNode[]): string[] {
  const master = nodes.find(({ id }) => id === selfOf(node)?.masterId);
  if (master === undefined || node.replication.role === 'master') return [];
  const lag = master.replication.offset - node.replication.offset;
  return lag <= LAG_BOUND_BYTES ? [] : [`${node.name} is ${lag} bytes behind ${master.name}`];
}

/** Whether the bus has a member alive: linked, without a word of failure. */
export function seenAlive(entry: ViewEntry): boolean {
  return entry.link === 'connected' && !hasFailed(entry) && !inHandshake(entry) && !entry.flags.includes('noaddr');
}

/** Who sees other owners than the ones that claim slots themselves. Slots that nobody or more than one claims are left to the verdict. */
export function slotDisagreements(viewers: readonly FormingNode[]): string[] {
  const claims = ownClaims(viewers);
  return viewers
    .filter(({ view }) => {
      const owners = viewedOwners(view);
      return claims.some((own, slot) => own.length === 1 && own[0] !== owners[slot]);
    })
    .map(({ name }) => `${name} sees other owners of slots`);
}
