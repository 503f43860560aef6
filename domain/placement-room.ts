import type { DeclaredNode } from './nodes.js';
import type { ShapeSpec } from './spec.js';

/** A zone or a host, as far as counting goes. */
export interface Group {
  readonly name: string;
  readonly nodes: readonly DeclaredNode[];
  /** How many of its nodes may be masters so that all replicas of these still fit elsewhere; negative where even none is too many. */
  readonly room: number;
}

/** The nodes by zone or by host, in the order of the spec. */
export function groupsOf(nodes: readonly DeclaredNode[], level: 'zone' | 'host', shape: ShapeSpec): Group[] {
  const groups = new Map<string, DeclaredNode[]>();
  for (const node of nodes) groups.set(node[level], [...(groups.get(node[level]) ?? []), node]);
  return [...groups].map(([name, members]) => ({ name, nodes: members, room: roomFor(members.length, shape) }));
}

/**
 * A group of `count` nodes with m masters needs m·R replicas outside, where there are (masters·R + extra) - (count - m) of them. That this holds for every
 * group is also enough (Hall's theorem: the masters of two groups together may use all replicas).
 */
function roomFor(count: number, { masters, replicasPerMaster, extraReplicas = 0 }: ShapeSpec): number {
  if (replicasPerMaster === 0) return count;
  const replicas = masters * replicasPerMaster + extraReplicas;
  if (count > replicas) return -1;
  return replicasPerMaster === 1 ? count : Math.min(count, Math.floor((replicas - count) / (replicasPerMaster - 1)));
}

/** Why no choice of masters keeps replicas out of their master's group; `null` where there is one. */
export function roomProblem(nodes: readonly DeclaredNode[], level: 'zone' | 'host', shape: ShapeSpec): string | null {
  const groups = groupsOf(nodes, level, shape);
  const together = `so that a master and a replica of it would be ${level === 'zone' ? 'in one zone' : 'on one host'}`;
  const crowded = groups.find(({ room }) => room < 0);
  if (crowded !== undefined) {
    const most = shape.masters * shape.replicasPerMaster + (shape.extraReplicas ?? 0);
    return `${level} ${crowded.name} has ${crowded.nodes.length} of ${nodes.length} nodes (${most} at the most), ${together}`;
  }
  const room = groups.reduce((sum, group) => sum + group.room, 0);
  if (room >= shape.masters) return null;
  const counts = groups.map((group) => `${group.name}: ${group.nodes.length}`).join(', ');
  return `the nodes are spread too unevenly over ${level}s (${counts}), ${together}`;
}
