import { type FlowEdge, minCostFlow } from './min-cost-flow.js';
import type { DeclaredNode } from './nodes.js';
import type { PlannedReplica } from './plan.js';
import type { ShapeSpec } from './spec.js';

/** Each but the first weighs more than all of the next kind together can, for the five replicas that a master may have. */
const COST = { extra: 1_000_000_000, mastersZone: 1_000_000, hostAgain: 1_000, zoneAgain: 1 } as const;

interface Roles {
  readonly nodes: readonly DeclaredNode[];
  readonly masters: readonly DeclaredNode[];
  readonly shape: ShapeSpec;
}

/**
 * Says which node follows which master. A flow from the masters over (master, zone) to the hosts' free nodes: a host is closed to its own masters, a
 * master's zone and a second replica of one master on a host or in a zone cost.
 */
export function placeReplicas(roles: Roles): PlannedReplica[] {
  const { nodes, masters } = roles;
  const free = nodes.filter((node) => !masters.includes(node));
  const hosts = [...new Set(free.map(({ host }) => host))].map((host) => free.filter((node) => node.host === host));
  const network = networkOf(roles, hosts);
  const flows = minCostFlow(network);
  const queues = hosts.map((members) => [...members]);
  return network.choices.flatMap(({ edge, master, host }) =>
    (queues[host]?.splice(0, flows[edge] ?? 0) ?? []).map(({ name }) => ({ node: name, of: master.name })),
  );
}

interface Network {
  readonly nodes: number;
  readonly source: number;
  readonly sink: number;
  readonly edges: readonly FlowEdge[];
  /** The edges that mean "this master has a replica on this host". */
  readonly choices: readonly { readonly edge: number; readonly master: DeclaredNode; readonly host: number }[];
}

function networkOf({ masters, shape }: Roles, hosts: readonly DeclaredNode[][]): Network {
  const zones = [...new Set(hosts.flatMap((members) => members.map(({ zone }) => zone)))];
  const [source, sink] = [0, 1];
  const hostAt = (host: number) => 2 + host;
  const masterAt = (master: number) => 2 + hosts.length + master;
  const pairAt = (master: number, zone: number) => 2 + hosts.length + masters.length + master * zones.length + zone;
  const { replicasPerMaster, extraReplicas = 0 } = shape;
  const each = Array.from({ length: replicasPerMaster + extraReplicas }, (_, i) => i);
  const edges: FlowEdge[] = hosts.map((members, host) => ({
    from: hostAt(host),
    to: sink,
    capacity: members.length,
    cost: 0,
  }));
  const choices: { edge: number; master: DeclaredNode; host: number }[] = [];
  for (const [m, master] of masters.entries()) {
    edges.push({ from: source, to: masterAt(m), capacity: replicasPerMaster, cost: 0 });
    for (let i = 0; i < extraReplicas; i += 1) {
      edges.push({ from: source, to: masterAt(m), capacity: 1, cost: COST.extra + i });
    }
    for (const [z, zone] of zones.entries()) {
      const shared = zone === master.zone ? COST.mastersZone : 0;
      for (const again of each) {
        edges.push({ from: masterAt(m), to: pairAt(m, z), capacity: 1, cost: shared + again * COST.zoneAgain });
      }
    }
    for (const [h, members] of hosts.entries()) {
      if (members[0] === undefined || members[0].host === master.host) continue;
      for (const again of each) {
        choices.push({ edge: edges.length, master, host: h });
        const pair = pairAt(m, zones.indexOf(members[0].zone));
        edges.push({ from: pair, to: hostAt(h), capacity: 1, cost: again * COST.hostAgain });
      }
    }
  }
  return { nodes: pairAt(masters.length, 0), source, sink, edges, choices };
}
