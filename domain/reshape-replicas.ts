import { type FlowEdge, minCostFlow } from './min-cost-flow.js';
import type { DeclaredNode } from './nodes.js';
import type { PlannedReplica } from './plan.js';
import type { ShapeSpec } from './spec.js';

/**
 * Each weighs more than all of the next kind together can: replicas beyond the wanted ones, a second replica while another master has none, replicas that get
 * another master, a master's zone where the spec accepts that, a second replica of one master on a host, in a zone.
 */
const COST = {
  extra: 10 ** 14,
  second: 10 ** 12,
  otherMaster: 10 ** 9,
  mastersZone: 10 ** 6,
  hostAgain: 10 ** 3,
  zoneAgain: 1,
} as const;

export interface ReplicaQuestion {
  readonly masters: readonly DeclaredNode[];
  readonly replicas: readonly ReplicaToPlace[];
  readonly shape: ShapeSpec;
}

export interface ReplicaToPlace {
  readonly node: DeclaredNode;
  /** The master in the end of the shard that it is in now; `null` where it is in none. */
  readonly now: string | null;
  /** The master that it is to have, by a person's word; `null` where nobody said. */
  readonly asked: string | null;
}

/**
 * Who follows whom in the end, with as few changes as the rules allow: never on the master's host, never in its zone unless the spec accepts that. A flow from
 * the masters over zones and hosts to the nodes. Replicas for which the rules leave no place are missing in the answer.
 */
export function assignReplicas(question: ReplicaQuestion): PlannedReplica[] {
  const settled = asTheyAre(question);
  if (settled !== null) return settled;
  const network = networkOf(question);
  const flows = minCostFlow(network);
  return network.choices.flatMap(({ edge, master, node }) =>
    (flows[edge] ?? 0) > 0 ? [{ node: node.name, of: master.name }] : [],
  );
}

/** Everybody stays where that keeps the rules. */
function asTheyAre({ masters, replicas, shape }: ReplicaQuestion): PlannedReplica[] | null {
  const named = new Map(masters.map((master) => [master.name, master]));
  const counts = new Map<string, number>();
  const kept = replicas.flatMap(({ node, now, asked }) => {
    const master = now === null ? undefined : named.get(now);
    if (master === undefined || !mayFollow(node, master, shape) || (asked ?? master.name) !== master.name) return [];
    counts.set(master.name, (counts.get(master.name) ?? 0) + 1);
    return [{ node: node.name, of: master.name }];
  });
  const enough = masters.every(({ name }) => (counts.get(name) ?? 0) >= shape.replicasPerMaster);
  return enough && kept.length === replicas.length ? kept : null;
}

interface Network {
  readonly nodes: number;
  readonly source: number;
  readonly sink: number;
  readonly edges: readonly FlowEdge[];
  /** The edges that mean "this node follows this master". */
  readonly choices: readonly {
    readonly edge: number;
    readonly master: DeclaredNode;
    readonly node: DeclaredNode;
  }[];
}

function networkOf({ masters, replicas, shape }: ReplicaQuestion): Network {
  const [source, sink] = [0, 1];
  const places = new Places(2 + replicas.length);
  const replicaAt = (i: number) => 2 + i;
  const edges: FlowEdge[] = replicas.map((_, i) => ({ from: replicaAt(i), to: sink, capacity: 1, cost: 0 }));
  const choices: { edge: number; master: DeclaredNode; node: DeclaredNode }[] = [];
  const { replicasPerMaster, extraReplicas = 0 } = shape;
  const again = (from: number, to: number, cost: (i: number) => number) => {
    for (let i = 0; i < replicasPerMaster + extraReplicas; i += 1) {
      edges.push({ from, to, capacity: 1, cost: cost(i) });
    }
  };
  for (const master of masters) {
    const at = places.of(master.name);
    if (replicasPerMaster > 0) edges.push({ from: source, to: at, capacity: 1, cost: 0 });
    if (replicasPerMaster > 1) {
      edges.push({ from: source, to: at, capacity: replicasPerMaster - 1, cost: COST.second });
    }
    for (let i = 0; i < extraReplicas; i += 1) {
      edges.push({ from: source, to: at, capacity: 1, cost: COST.extra + i });
    }
    for (const [i, { node, now, asked }] of replicas.entries()) {
      if (!mayFollow(node, master, shape) || (asked !== null && asked !== master.name)) continue;
      const zone = places.of(`${master.name} zone ${node.zone}`, (to) => {
        again(at, to, (n) => (node.zone === master.zone ? COST.mastersZone : 0) + n * COST.zoneAgain);
      });
      const host = places.of(`${master.name} host ${node.host}`, (to) => {
        again(zone, to, (n) => n * COST.hostAgain);
      });
      choices.push({ edge: edges.length, master, node });
      const cost = now === null || now === master.name || asked !== null ? 0 : COST.otherMaster;
      edges.push({ from: host, to: replicaAt(i), capacity: 1, cost });
    }
  }
  return { nodes: places.count, source, sink, edges, choices };
}

/** Whether the rules let the node be a replica of this master. */
export function mayFollow(node: DeclaredNode, master: DeclaredNode, shape: ShapeSpec): boolean {
  return node.host !== master.host && (node.zone !== master.zone || shape.sharedZones !== undefined);
}

/** Numbers for the places of a network, by name. */
class Places {
  readonly #numbers = new Map<string, number>();
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  get count(): number {
    return this.#next;
  }

  of(name: string, whenNew?: (number: number) => void): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#next;
    this.#next += 1;
    this.#numbers.set(name, number);
    whenNew?.(number);
    return number;
  }
}
