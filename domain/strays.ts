import { stayingNodes } from './nodes.js';
import type { PlannedReplica } from './plan.js';
import { assignReplicas } from './reshape-replicas.js';
import type { ClusterSpec } from './spec.js';
import type { NodeStatus, Verdict } from './verdict.js';

/**
 * Masters without slots that nobody asked for, and whom each is to follow: all masters that the spec wants own slots, and one of them lacks a replica. So does a master come back that
 * was killed in the middle of an operation: while replicas are pinned it does not follow whoever took over where that one has got or given slots since.
 */
export function strayReplicas(spec: ClusterSpec, verdict: Verdict): PlannedReplica[] {
  const declared = new Map(stayingNodes(spec).map((node) => [node.name, node]));
  const nodesOf = (some: readonly NodeStatus[]) => some.flatMap(({ name }) => declared.get(name) ?? []);
  const members = verdict.nodes.filter(({ answered, name }) => answered && declared.has(name));
  const owners = members.filter(({ role, slots }) => role === 'master' && slots.length > 0);
  const strays = members.filter(({ role, slots }) => role === 'master' && slots.length === 0);
  if (owners.length !== spec.shape.masters || strays.length === 0) return [];
  const masterOf = ({ masterId }: NodeStatus) => owners.find(({ id }) => id === masterId)?.name ?? null;
  const followers = members.filter(({ role }) => role === 'replica');
  const assigned = assignReplicas({
    masters: nodesOf(owners),
    replicas: [...followers, ...strays].flatMap((status) =>
      nodesOf([status]).map((node) => ({ node, now: masterOf(status), asked: masterOf(status) })),
    ),
    shape: spec.shape,
  });
  return assigned.filter(({ node }) => strays.some(({ name }) => name === node));
}
