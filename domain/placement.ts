import { type DeclaredNode, leavingNodes, stayingNodes } from './nodes.js';
import { placeMasters } from './placement-masters.js';
import { placeReplicas } from './placement-replicas.js';
import { roomProblem } from './placement-room.js';
import type { PlannedMaster, PlannedReplica } from './plan.js';
import { evenShares } from './slots.js';
import type { ClusterSpec } from './spec.js';

/** Who becomes what in a new cluster. */
export interface Placement {
  readonly masters: readonly PlannedMaster[];
  readonly replicas: readonly PlannedReplica[];
  /** Why there is none; `masters` and `replicas` are empty then. */
  readonly problems: readonly string[];
  /** What is allowed, and worth knowing before saying yes. */
  readonly notes: readonly string[];
}

/**
 * Masters spread over zones and hosts; a replica never on its master's host, and never in its zone where that can be avoided; the replicas of one
 * master on different hosts and in different zones where there are enough. Finds a placement whenever there is one: which masters leave room for all
 * replicas is decided by counting (placement-masters.ts), who follows whom by a flow of least cost (placement-replicas.ts). The same spec gives the same.
 */
export function place(spec: ClusterSpec): Placement {
  const problems = [countProblem(spec), separationProblem(spec)?.reason ?? null].filter((problem) => problem !== null);
  if (problems.length > 0) return { masters: [], replicas: [], problems, notes: [] };
  const nodes = stayingNodes(spec);
  const masters = placeMasters(nodes, spec.shape);
  const replicas = placeReplicas({ nodes, masters, shape: spec.shape });
  const shares = evenShares(masters.length);
  return {
    masters: masters.map(({ name }, i) => ({ node: name, slots: shares.slice(i, i + 1) })),
    replicas,
    problems: [],
    notes: [majorityNote(masters, 'zone'), majorityNote(masters, 'host'), sharedZoneNote(nodes, replicas)].filter(
      (note) => note !== null,
    ),
  };
}

/** Whether the hosts have as many nodes as the shape asks for. Those that are to leave do not count. */
export function countProblem(spec: ClusterSpec): string | null {
  const { masters, replicasPerMaster, extraReplicas = 0 } = spec.shape;
  const wanted = masters * (1 + replicasPerMaster) + extraReplicas;
  const staying = stayingNodes(spec).length;
  if (staying === wanted) return null;
  const extra = extraReplicas === 0 ? '' : ` and ${extraReplicas} more`;
  const leaving = leavingNodes(spec).length;
  const without = leaving === 0 ? '' : ` that stay, beside ${leaving} that leave`;
  return `${masters} masters with ${replicasPerMaster} replicas each${extra} are ${wanted} nodes, and the hosts declare ${staying}${without}`;
}

/** Whether a master and its replica would have to meet: on a host, or in a zone where the spec does not accept that by name. */
export function separationProblem(spec: ClusterSpec): { level: 'zone' | 'host'; reason: string } | null {
  if (countProblem(spec) !== null) return null;
  const nodes = stayingNodes(spec);
  const levels = spec.shape.sharedZones === undefined ? (['host', 'zone'] as const) : (['host'] as const);
  const problems = levels.flatMap((level) => {
    const reason = roomProblem(nodes, level, spec.shape);
    return reason === null ? [] : [{ level, reason }];
  });
  return problems[0] ?? null;
}

/** The cluster stops electing when half or more of its masters are gone at once. */
function majorityNote(masters: readonly DeclaredNode[], level: 'zone' | 'host'): string | null {
  const places = [...new Set(masters.map((node) => node[level]))];
  const holders = places
    .map((name) => ({ name, count: masters.filter((node) => node[level] === name).length }))
    .filter(({ count }) => 2 * count >= masters.length);
  if (holders.length === 0) return null;
  const counts = holders
    .map(({ name, count }) => `${level} ${name} holds ${count} of ${masters.length} masters`)
    .join(', ');
  return `${counts}: when it is lost, the others cannot elect new ones without a person`;
}

function sharedZoneNote(nodes: readonly DeclaredNode[], replicas: readonly PlannedReplica[]): string | null {
  const zoneOf = new Map(nodes.map(({ name, zone }) => [name, zone]));
  const shared = replicas.filter((replica) => zoneOf.get(replica.node) === zoneOf.get(replica.of));
  if (shared.length === 0) return null;
  return `in the zone of their master: ${shared.map(({ node, of }) => `${node} (of ${of})`).join(', ')}`;
}
