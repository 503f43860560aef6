import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DeclaredNode, declaredNodes } from '../../domain/nodes.js';
import { type Placement, place } from '../../domain/placement.js';
import { slotsIn } from '../../domain/slots.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { hostOf, specOf } from '../support/spec.js';

/** Hosts as `zone: nodes of each of its hosts`. */
type Layout = Readonly<Record<string, readonly number[]>>;

function specFor(layout: Layout, shape: ClusterSpec['shape']): ClusterSpec {
  const hosts = Object.entries(layout).flatMap(([zone, counts]) =>
    counts.map((count, i) => {
      const nodes = Array.from({ length: count }, (_, n) => ({ port: 6379 + n }));
      return hostOf(`${zone}${i + 1}`, { zone, nodes });
    }),
  );
  return specOf({ hosts, shape });
}

function pairsOf(spec: ClusterSpec, { replicas }: Placement): { replica: DeclaredNode; master: DeclaredNode }[] {
  const named = new Map(declaredNodes(spec).map((node) => [node.name, node]));
  return replicas.map(({ node, of }) => {
    const [replica, master] = [named.get(node), named.get(of)];
    if (replica === undefined || master === undefined) throw new Error(`unknown node in ${node} of ${of}`);
    return { replica, master };
  });
}

function mastersPer(spec: ClusterSpec, placement: Placement, level: 'zone' | 'host'): number[] {
  const masters = new Set(placement.masters.map(({ node }) => node));
  const counts = new Map<string, number>();
  for (const node of declaredNodes(spec)) {
    if (masters.has(node.name)) counts.set(node[level], (counts.get(node[level]) ?? 0) + 1);
  }
  return [...counts.values()];
}

/** What trying every choice of masters and of followers finds: the slow and obvious way. */
function bruteForce(spec: ClusterSpec, level: 'zone' | 'host'): { fullestZone: number } | null {
  const nodes = declaredNodes(spec);
  const { masters, replicasPerMaster } = spec.shape;
  let best: number | null = null;
  for (const chosen of subsets(nodes, masters)) {
    const free = nodes.filter((node) => !chosen.includes(node));
    if (!canFollow(free, chosen, level, new Map(chosen.map((node) => [node.name, replicasPerMaster])))) continue;
    const fullest = Math.max(...chosen.map(({ zone }) => chosen.filter((other) => other.zone === zone).length));
    best = best === null ? fullest : Math.min(best, fullest);
  }
  return best === null ? null : { fullestZone: best };
}

function* subsets<T>(items: readonly T[], size: number): Generator<T[]> {
  if (size === 0) yield [];
  const [first, ...rest] = items;
  if (size === 0 || first === undefined) return;
  for (const others of subsets(rest, size - 1)) yield [first, ...others];
  yield* subsets(rest, size);
}

function canFollow(
  free: readonly DeclaredNode[],
  masters: readonly DeclaredNode[],
  level: 'zone' | 'host',
  wanted: ReadonlyMap<string, number>,
): boolean {
  const [node, ...rest] = free;
  if (node === undefined) return true;
  return masters.some((master) => {
    const open = wanted.get(master.name) ?? 0;
    if (open === 0 || master[level] === node[level]) return false;
    return canFollow(rest, masters, level, new Map(wanted).set(master.name, open - 1));
  });
}

const smallLayouts = fc
  .record({
    masters: fc.integer({ min: 2, max: 4 }),
    replicasPerMaster: fc.integer({ min: 1, max: 3 }),
    seed: fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 })), {
      minLength: 16,
      maxLength: 16,
    }),
  })
  .map(({ masters, replicasPerMaster: wanted, seed }) => {
    // At most nine nodes, or trying everything takes too long.
    const replicasPerMaster = Math.min(wanted, Math.floor(9 / masters) - 1);
    const layout: Record<string, number[]> = {};
    for (const [zone, host] of seed.slice(0, masters * (1 + replicasPerMaster))) {
      const hosts = (layout[`z${zone}`] ??= [0, 0, 0]);
      hosts[host] = (hosts[host] ?? 0) + 1;
    }
    const filled = Object.entries(layout).map(([zone, hosts]) => [zone, hosts.filter((count) => count > 0)] as const);
    return { layout: Object.fromEntries(filled), shape: { masters, replicasPerMaster } };
  });

describe('placement', () => {
  it('gives each master a replica in another zone on six hosts in three zones', () => {
    const spec = specFor({ a: [1, 1], b: [1, 1], c: [1, 1] }, { masters: 3, replicasPerMaster: 1 });
    const placement = place(spec);
    expect(placement.problems).toEqual([]);
    expect(placement.notes).toEqual([]);
    expect(mastersPer(spec, placement, 'zone')).toEqual([1, 1, 1]);
    for (const { replica, master } of pairsOf(spec, placement)) expect(replica.zone).not.toBe(master.zone);
  });

  it('serves three hosts with two nodes each', () => {
    const spec = specFor({ a: [2], b: [2], c: [2] }, { masters: 3, replicasPerMaster: 1 });
    const placement = place(spec);
    expect(mastersPer(spec, placement, 'host')).toEqual([1, 1, 1]);
    expect(placement.notes).toEqual([]);
  });

  it('takes two zones, and says which of them holds half of the masters', () => {
    const placement = place(specFor({ a: [1, 1, 1], b: [1, 1, 1] }, { masters: 3, replicasPerMaster: 1 }));
    expect(placement.problems).toEqual([]);
    expect(placement.notes).toEqual([
      'zone a holds 2 of 3 masters: when it is lost, the others cannot elect new ones without a person',
    ]);
  });

  it('puts the second master of two zones where it does not meet another on a host', () => {
    const spec = specFor({ a: [3], b: [1, 1, 1] }, { masters: 3, replicasPerMaster: 1 });
    expect(Math.max(...mastersPer(spec, place(spec), 'host'))).toBe(1);
  });

  it('keeps the replicas of one master on different hosts and in different zones', () => {
    const spec = specFor({ a: [3], b: [3], c: [3] }, { masters: 3, replicasPerMaster: 2 });
    const placement = place(spec);
    for (const { node } of placement.masters) {
      const zones = pairsOf(spec, placement)
        .filter(({ master }) => master.name === node)
        .map(({ replica }) => replica.zone);
      expect(new Set(zones).size).toBe(2);
    }
  });

  it('refuses a single zone, and takes it with a named reason', () => {
    const layout = { a: [1, 1, 1, 1, 1, 1] };
    const refused = place(specFor(layout, { masters: 3, replicasPerMaster: 1 }));
    expect(refused.masters).toEqual([]);
    expect(refused.problems).toEqual([
      'zone a has 6 of 6 nodes (3 at the most), so that a master and a replica of it would be in one zone',
    ]);
    const accepted = place(specFor(layout, { masters: 3, replicasPerMaster: 1, sharedZones: 'one room' }));
    expect(accepted.problems).toEqual([]);
    expect(accepted.notes.some((note) => note.startsWith('in the zone of their master: '))).toBe(true);
  });

  it('shares zones only as far as it has to', () => {
    const spec = specFor({ a: [1, 1, 1, 1], b: [1, 1] }, { masters: 3, replicasPerMaster: 1, sharedZones: 'small' });
    const shared = pairsOf(spec, place(spec)).filter(({ replica, master }) => replica.zone === master.zone);
    expect(shared).toHaveLength(1);
  });

  it('refuses hosts that a master and its replica would have to share, whatever was accepted about zones', () => {
    const { problems } = place(
      specFor({ a: [4], b: [2] }, { masters: 3, replicasPerMaster: 1, sharedZones: 'why not' }),
    );
    expect(problems[0]).toContain('host a1 has 4 of 6 nodes');
  });

  it('names the numbers when nodes and shape do not fit', () => {
    const { problems } = place(specFor({ a: [1, 1], b: [1, 1], c: [1] }, { masters: 3, replicasPerMaster: 1 }));
    expect(problems).toEqual(['3 masters with 1 replicas each are 6 nodes, and the hosts declare 5']);
  });

  it('uses every node once, covers all slots and gives the same for the same', () => {
    fc.assert(
      fc.property(smallLayouts, ({ layout, shape }) => {
        const spec = specFor(layout, { ...shape, sharedZones: 'property' });
        const placement = place(spec);
        fc.pre(placement.problems.length === 0);
        const used = [...placement.masters.map(({ node }) => node), ...placement.replicas.map(({ node }) => node)];
        expect([...used].sort()).toEqual(
          declaredNodes(spec)
            .map(({ name }) => name)
            .sort(),
        );
        expect(slotsIn(placement.masters.flatMap(({ slots }) => slots))).toBe(16384);
        expect(place(spec)).toEqual(placement);
        for (const { replica, master } of pairsOf(spec, placement)) expect(replica.host).not.toBe(master.host);
        for (const { node } of placement.masters) {
          expect(placement.replicas.filter(({ of }) => of === node)).toHaveLength(shape.replicasPerMaster);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps zones apart exactly when trying everything finds a way, and spreads masters as well as that does', () => {
    fc.assert(
      fc.property(smallLayouts, ({ layout, shape }) => {
        const spec = specFor(layout, shape);
        const placement = place(spec);
        const possible = bruteForce(spec, 'zone');
        expect(placement.problems.length === 0).toBe(possible !== null);
        if (possible === null) return;
        for (const { replica, master } of pairsOf(spec, placement)) expect(replica.zone).not.toBe(master.zone);
        expect(Math.max(...mastersPer(spec, placement, 'zone'))).toBe(possible.fullestZone);
      }),
      { numRuns: 150 },
    );
  });

  it('finds hosts that are kept apart exactly when trying everything does, where zones may be shared', () => {
    fc.assert(
      fc.property(smallLayouts, ({ layout, shape }) => {
        const spec = specFor(layout, { ...shape, sharedZones: 'property' });
        expect(place(spec).problems.length === 0).toBe(bruteForce(spec, 'host') !== null);
      }),
      { numRuns: 150 },
    );
  });

  it('places a cluster of 300 nodes in a moment', () => {
    const zone = Array.from({ length: 50 }, () => 2);
    const spec = specFor({ a: zone, b: zone, c: zone }, { masters: 100, replicasPerMaster: 2 });
    const began = performance.now();
    expect(place(spec).problems).toEqual([]);
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});
