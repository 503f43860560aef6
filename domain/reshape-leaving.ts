import type { ApplyWorld } from './apply-world.js';
import { ghostsAt, type Members } from './cluster-members.js';
import { type DeclaredNode, leavingNodes } from './nodes.js';
import type { Step } from './plan.js';
import { leavesSomething } from './plan-destroy.js';
import type { NamedNode } from './reshape-steps.js';

type World = Pick<ApplyWorld, 'spec' | 'surveys'>;

/** What becomes of the nodes that leave, once they own nothing and nobody follows them. */
export interface Leaving {
  /** Members that are forgotten, and what the views still hold at the addresses of lost ones. */
  readonly forgotten: readonly NamedNode[];
  /** Forgotten before, and still on their hosts: whether the cluster has learned of them again is looked at once more. */
  readonly forgottenBefore: readonly NamedNode[];
  readonly stops: readonly Step[];
  /** In order: nodes, then the hosts that have none left. */
  readonly removals: readonly Step[];
  readonly notes: readonly string[];
}

/** Hosts of lost nodes are not asked, so nothing is done on them. What is not there any more is no step. */
export function planLeaving({ spec, surveys }: World, cluster: Members): Leaving {
  const leaving = leavingNodes(spec);
  const members = cluster.members.filter((member) => member.leaving !== null);
  const named = members.map(({ node, id }): NamedNode => ({ name: node.name, nodeId: id }));
  const ghosts = leaving.filter((node) => node.leaving === 'lost').flatMap((node) => ghostsAt(cluster, node));
  const forgotten = unique([...named, ...ghosts]);
  const ours = surveys.filter(({ record }) => record.cluster?.uid === spec.uid);
  const drained = leaving.filter((node) => node.leaving === 'drain');
  const onHost = (node: DeclaredNode) =>
    ours.find(({ host }) => host === node.host)?.nodes.find(({ port }) => port === node.port);
  const removed = drained.filter((node) => leavesSomething(onHost(node), { folders: 'delete' }));
  const remembered = removed.flatMap((node): NamedNode[] => {
    const nodeId = ours.find(({ host }) => host === node.host)?.record.identities[String(node.port)];
    return nodeId === undefined ? [] : [{ name: node.name, nodeId }];
  });
  const released = spec.hosts.filter(
    ({ name, nodes }) => nodes.every((node) => node.leaving === 'drain') && ours.some(({ host }) => host === name),
  );
  return {
    forgotten,
    forgottenBefore: remembered.filter(({ nodeId }) => !forgotten.some((one) => one.nodeId === nodeId)),
    stops: drained
      .filter((node) => onHost(node)?.service.state === 'running')
      .map(({ name, host }) => ({ kind: 'stopNode', id: `stopNode/${name}`, host, node: name })),
    removals: [
      ...removed.map(({ name, host }) => ({
        ...({ kind: 'removeNode', id: `removeNode/${name}`, host, node: name } as const),
        data: 'delete' as const,
      })),
      ...released.map(({ name: host }) => ({
        ...({ kind: 'releaseHost', id: `releaseHost/${host}`, host } as const),
        data: 'delete' as const,
      })),
    ],
    notes:
      removed.length === 0
        ? []
        : [
            `The data folders of ${removed.map(({ name }) => name).join(', ')} are deleted: when it comes to that, ` +
              'they own no slot, nobody follows them, and every other node has forgotten them.',
          ],
  };
}

/** Each ID once. */
export function unique(nodes: readonly NamedNode[]): NamedNode[] {
  return [...new Map(nodes.map((node) => [node.nodeId, node])).values()];
}
