import { type Decision, refusing, waiting } from './decision.js';
import type { FormingNode } from './formation.js';
import { replicaProblems, sightProblems } from './formation-waiting.js';
import {
  answeringOf,
  formedGroup,
  isMaster,
  lagProblems,
  type LookedNode,
  ownedSlots,
  replicasOf,
  slotDisagreements,
} from './members.js';
import { selfOf } from './observation.js';
import { ownClaims } from './ownership.js';
import type { Refusal } from './plan.js';
import { formatRanges } from './slots.js';

export interface SwitchAction {
  readonly kind: 'failover';
  readonly node: string;
  readonly from: string;
}

export interface SwitchInput {
  /** Name of the replica that is to become the master of its shard. */
  readonly node: string;
  readonly nodes: readonly LookedNode[];
  /** Names of nodes that leave the cluster: what they see is not waited for. */
  readonly leaving: ReadonlySet<string>;
  /** IDs of nodes that are, or may be, an end of an atomic slot migration under way. */
  readonly migrating: ReadonlySet<string>;
  /** `running`: a failover was begun so shortly before that it may still come to its end, or has not expired. */
  readonly attempt: 'none' | 'running';
}

/**
 * What makes a replica the master of its shard without a lost write: CLUSTER FAILOVER in its default mode, for which the old master stops its clients' writes
 * until the replica has them all. It is begun only behind gates (knowledge: mechanics 4.2): the replica is in sync and hardly behind, everybody agrees on
 * who is who, and nothing of slots is on its way, which it would tear. Redis lets an attempt expire by itself; then all gates are looked at again. FORCE and
 * TAKEOVER lose writes and are never sent.
 */
export function planSwitch(input: SwitchInput): Decision<SwitchAction> {
  const answering = answeringOf(input.nodes);
  const node = answering.find(({ name }) => name === input.node);
  if (node === undefined) return waiting(`${input.node} does not answer`);
  const viewers = formedGroup(answering).filter(({ name }) => !input.leaving.has(name));
  if (isMaster(node)) return settling(node, viewers, answering);
  const master = answering.find(({ id }) => id === selfOf(node)?.masterId);
  if (master === undefined) return waiting(`the master of ${node.name} does not answer`);
  const refusals = [...empty(node, master), ...openSlots(master, answering)];
  if (refusals.length > 0) return refusing(refusals);
  const closed = [
    ...replicaProblems(node, answering),
    ...lagProblems(node, answering),
    ...viewers.flatMap((viewer) => [...sightProblems(viewer, node), ...sightProblems(viewer, master)]),
    ...viewers.filter(({ clusterState }) => clusterState !== 'ok').map(({ name }) => `${name} says cluster_state:fail`),
    ...slotDisagreements(viewers),
    ...[node, master]
      .filter(({ id }) => input.migrating.has(id))
      .map(({ name }) => `${name} may have a slot migration under way`),
  ];
  if (closed.length > 0) return waiting(...closed);
  if (input.attempt === 'running') return waiting(`${node.name} has not taken over yet`);
  return {
    actions: [{ kind: 'failover', node: node.name, from: master.name }],
    refusals,
    waitingFor: [`${node.name} is a replica of ${master.name}`],
  };
}

/** It is the master: all have to see that, and whoever follows it has to be in sync, the old master among them. */
function settling(
  node: FormingNode,
  viewers: readonly FormingNode[],
  answering: readonly FormingNode[],
): Decision<never> {
  if (ownedSlots(node) === 0) return refusing([withoutSlots(node)]);
  return waiting(
    ...otherClaimants(node, answering).map((name) => `${name} still claims slots of ${node.name}`),
    ...viewers.flatMap((viewer) => sightProblems(viewer, node)),
    ...slotDisagreements(viewers),
    ...replicasOf(node, answering).flatMap((replica) => [
      ...replicaProblems(replica, answering),
      ...lagProblems(replica, answering),
      ...viewers.flatMap((viewer) => sightProblems(viewer, replica)),
    ]),
  );
}

function otherClaimants(node: FormingNode, answering: readonly FormingNode[]): string[] {
  const rivals = new Set(ownClaims(answering).flatMap((ids) => (ids.includes(node.id) ? ids : [])));
  return answering.filter(({ id }) => id !== node.id && rivals.has(id)).map(({ name }) => name);
}

function withoutSlots({ name, id }: FormingNode): Refusal {
  return {
    node: name,
    what: `${name} (ID ${id}) is a master without slots, and no replica that could take over.`,
    next: 'Roles have changed since the plan was made: run the same command again and read the new plan.',
  };
}

/** Redis elects nobody for a master without slots. */
function empty(node: FormingNode, master: FormingNode): Refusal[] {
  if (isMaster(master) && ownedSlots(master) > 0) return [];
  return [
    {
      node: node.name,
      what: `${node.name} cannot take over from ${master.name}, which owns no slots.`,
      next: 'Roles have changed since the plan was made: run the same command again and read the new plan.',
    },
  ];
}

/** A half-moved slot is marked on the node and not on its replica: the new master would not know of it. */
function openSlots(master: FormingNode, answering: readonly FormingNode[]): Refusal[] {
  const own = selfOf(master);
  const towards = answering.flatMap((node) => {
    const self = selfOf(node);
    return [...(self?.migrating ?? []), ...(self?.importing ?? [])].filter(({ peer }) => peer === master.id);
  });
  const slots = [...(own?.migrating ?? []), ...(own?.importing ?? []), ...towards].map(({ slot }) => slot);
  if (slots.length === 0) return [];
  const open = [...new Set(slots)].sort((a, b) => a - b).map((slot) => [slot, slot] as const);
  return [
    {
      node: master.name,
      what: `${master.name} has slots that are half moved (${formatRanges(open)}): a failover now would tear them.`,
      next: 'Run repair, and the same command again.',
    },
  ];
}
