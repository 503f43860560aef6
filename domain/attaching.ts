import { type Decision, refusing, waiting } from './decision.js';
import type { FormationAction, FormingNode } from './formation.js';
import { replicaProblems, sightProblems } from './formation-waiting.js';
import {
  answeringOf,
  formedGroup,
  isMaster,
  lagProblems,
  type LookedNode,
  ownedSlots,
  shardMaster,
} from './members.js';
import { selfOf } from './observation.js';
import { knows } from './picture.js';
import type { PlannedReplica } from './plan.js';

export type AttachAction = Extract<FormationAction, { kind: 'replicate' }>;

export interface AttachInput {
  readonly wanted: PlannedReplica;
  readonly nodes: readonly LookedNode[];
  /** Names of nodes that leave the cluster: what they see is not waited for. */
  readonly leaving: ReadonlySet<string>;
}

/**
 * What makes a node a replica in the shard that `of` is in, whoever is its master by now: first it follows that master, then it has to be in sync and
 * known as a replica by all. A master follows only where it has neither slots nor keys by its own word.
 */
export function planAttach({ wanted, nodes, leaving }: AttachInput): Decision<AttachAction> {
  const answering = answeringOf(nodes);
  const node = answering.find(({ name }) => name === wanted.node);
  if (node === undefined) return waiting(`${wanted.node} does not answer`);
  const master = shardMaster(wanted.of, answering);
  if (master === undefined) return waiting(`the master of the shard of ${wanted.of} does not answer`);
  if (master === node) return refusing([ownMaster(node, wanted)]);
  if (selfOf(node)?.masterId === master.id) {
    const viewers = formedGroup(answering).filter(({ name }) => !leaving.has(name));
    return waiting(
      ...replicaProblems(node, answering),
      ...lagProblems(node, answering),
      ...viewers.flatMap((viewer) => sightProblems(viewer, node)),
    );
  }
  if (isMaster(node) && (ownedSlots(node) > 0 || node.keys > 0)) return refusing([notEmpty(node, master)]);
  if (!knows(node, master)) return waiting(`${node.name} does not know ${master.name}`);
  return {
    actions: [{ kind: 'replicate', node: node.name, master: master.name, masterId: master.id }],
    refusals: [],
    waitingFor: [`${node.name} does not replicate ${master.name} yet`],
  };
}

function ownMaster({ name }: FormingNode, { of }: PlannedReplica) {
  return {
    node: name,
    what: `${name} cannot become a replica in the shard of ${of}: it is the master of that shard.`,
    next: 'A failover has swapped roles since the plan was made: run the same command again and read the new plan.',
  };
}

function notEmpty(node: FormingNode, master: FormingNode) {
  return {
    node: node.name,
    what: `${node.name} (ID ${node.id}) cannot become a replica of ${master.name}: it is a master with ${ownedSlots(node)} slots and ${node.keys} keys, which it would throw away.`,
    next: 'Move its slots away first; keys that stay then belong to slots of others: run repair.',
  };
}
