/** A directed edge that carries up to `capacity` units, each at `cost`. */
export interface FlowEdge {
  readonly from: number;
  readonly to: number;
  readonly capacity: number;
  readonly cost: number;
}

interface Arc {
  readonly to: number;
  readonly cost: number;
  /** Index of the arc that undoes this one. */
  readonly back: number;
  left: number;
}

/**
 * The flow on each edge of a maximum flow of least cost, by successive cheapest paths (Bellman-Ford with a queue). Deterministic: among equals the
 * edges that come first win. Costs are non-negative integers.
 */
export function minCostFlow({
  nodes,
  source,
  sink,
  edges,
}: {
  nodes: number;
  source: number;
  sink: number;
  edges: readonly FlowEdge[];
}): number[] {
  const arcs: Arc[] = edges.flatMap(({ from, to, capacity, cost }, i) => [
    { to, cost, back: 2 * i + 1, left: capacity },
    { to: from, cost: -cost, back: 2 * i, left: 0 },
  ]);
  const leaving: number[][] = Array.from({ length: nodes }, () => []);
  edges.forEach(({ from, to }, i) => {
    leaving[from]?.push(2 * i);
    leaving[to]?.push(2 * i + 1);
  });
  for (;;) {
    const path = cheapestPath({ arcs, leaving, source, sink });
    if (path.length === 0) break;
    const units = Math.min(...path.map((arc) => arc.left));
    for (const arc of path) push(arcs, arc, units);
  }
  return edges.map(({ capacity }, i) => capacity - (arcs[2 * i]?.left ?? 0));
}

function push(arcs: readonly Arc[], arc: Arc, units: number): void {
  arc.left -= units;
  const back = arcs[arc.back];
  if (back !== undefined) back.left += units;
}

interface Residual {
  readonly arcs: readonly Arc[];
  readonly leaving: readonly (readonly number[])[];
  readonly source: number;
  readonly sink: number;
}

/** The arcs of the cheapest path that still carries something, from the sink back; empty where there is none. */
function cheapestPath({ arcs, leaving, source, sink }: Residual): Arc[] {
  const cost = new Map([[source, 0]]);
  const reachedBy = new Map<number, Arc>();
  const queue = [source];
  const queued = new Set(queue);
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    queued.delete(node);
    for (const arc of (leaving[node] ?? []).map((index) => arcs[index])) {
      if (arc === undefined || arc.left === 0) continue;
      const total = (cost.get(node) ?? 0) + arc.cost;
      if (total >= (cost.get(arc.to) ?? Infinity)) continue;
      cost.set(arc.to, total);
      reachedBy.set(arc.to, arc);
      if (!queued.has(arc.to)) queue.push(arc.to);
      queued.add(arc.to);
    }
  }
  return pathTo({ sink, source, reachedBy, arcs });
}

function pathTo({
  sink,
  source,
  reachedBy,
  arcs,
}: {
  sink: number;
  source: number;
  reachedBy: ReadonlyMap<number, Arc>;
  arcs: readonly Arc[];
}): Arc[] {
  const path: Arc[] = [];
  for (let node = sink; node !== source; ) {
    const arc = reachedBy.get(node);
    if (arc === undefined) return [];
    path.push(arc);
    node = arcs[arc.back]?.to ?? source;
  }
  return path;
}
