import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { ApplyWorld } from '../../domain/apply-world.js';
import { declaredNodes, stayingNodes } from '../../domain/nodes.js';
import { place, separationProblem } from '../../domain/placement.js';
import { describeStep, type PlanBody } from '../../domain/plan.js';
import { planApply } from '../../domain/plan-apply.js';
import { SLOT_COUNT, slotsIn } from '../../domain/slots.js';
import type { ClusterSpec, HostSpec, NodeSpec, ShapeSpec } from '../../domain/spec.js';
import { ModelCluster } from '../support/cluster-model.js';
import { hostOf, specOf } from '../support/spec.js';

vi.setConfig({ testTimeout: 120_000 });

/** Hosts h1, h2 … in zones z1 to z3 by turns. */
function hosts(count: number, nodes: readonly NodeSpec[] = [{ port: 6379 }]): HostSpec[] {
  return Array.from({ length: count }, (_, i) =>
    hostOf(`h${i + 1}`, { zone: `z${(i % 3) + 1}`, address: `10.0.0.${i + 1}`, nodes: [...nodes] }),
  );
}

function leaving(spec: readonly HostSpec[], names: readonly string[], how: 'drain' | 'lost' = 'drain'): HostSpec[] {
  return spec.map((host) =>
    names.includes(host.name) ? { ...host, nodes: host.nodes.map((node) => ({ ...node, leaving: how })) } : host,
  );
}

const THREE: ShapeSpec = { masters: 3, replicasPerMaster: 1 };
const six = () => new ModelCluster(specOf(), place(specOf()));

function specWith(shape: ShapeSpec, hostSpecs: readonly HostSpec[], change: Partial<ClusterSpec> = {}): ClusterSpec {
  return specOf({ shape, hosts: hostSpecs, ...change });
}

function planFor(cluster: ModelCluster, spec: ClusterSpec, change: Partial<ApplyWorld> = {}): PlanBody {
  cluster.declare(spec);
  return planApply(cluster.world(spec, change));
}

/** The steps on the cluster, without those that every new host has. */
function titles({ steps }: PlanBody): string[] {
  return steps.filter(({ kind }) => !['prepareHost', 'placeNode', 'startNode'].includes(kind)).map(describeStep);
}

/** Takes all steps, and looks after each whether every slot is served and no shard is short of replicas. */
function run(cluster: ModelCluster, spec: ClusterSpec, { steps }: PlanBody): void {
  const wanted = spec.shape.replicasPerMaster;
  const had = new Map(cluster.owners().map(({ node }) => [node.name, cluster.replicasOf(node.name).length]));
  for (const step of steps) {
    if (step.kind === 'switchMaster') had.set(step.node, had.get(step.was) ?? 0);
    cluster.take(step);
    const owners = cluster.owners();
    expect(owners.reduce((sum, { slots }) => sum + slotsIn(slots), 0)).toBe(SLOT_COUNT);
    for (const { node, master, member } of owners) {
      const least = Math.min(wanted, had.get(node.name) ?? wanted);
      expect({ step: step.id, master, member, [node.name]: cluster.replicasOf(node.name).length >= least }).toEqual({
        ...{ step: step.id, master: null, member: true },
        [node.name]: true,
      });
    }
  }
}

function shapeOf(cluster: ModelCluster): Record<string, number> {
  return Object.fromEntries(cluster.owners().map(({ node }) => [node.name, cluster.replicasOf(node.name).length]));
}

describe('a formed cluster', () => {
  it('gets a fourth shard: new nodes join as master and replica, then slots move', () => {
    const cluster = six();
    const spec = specWith({ masters: 4, replicasPerMaster: 1 }, hosts(8));
    const plan = planFor(cluster, spec);
    expect(plan.refusals).toEqual([]);
    expect(titles(plan)).toEqual([
      'join h7:6379 as a master, h8:6379 as replica of h7:6379',
      'move 4096 slots (fill h7:6379)',
      'smoke test through the cluster as the application user',
    ]);
    run(cluster, spec, plan);
    expect(planFor(cluster, spec).steps).toEqual([]);
  });

  it('gets a second replica for each master, and moves no slot', () => {
    const cluster = six();
    const spec = specWith({ masters: 3, replicasPerMaster: 2 }, hosts(9));
    const plan = planFor(cluster, spec);
    expect(plan.steps.map(({ kind }) => kind)).toContain('joinNodes');
    expect(plan.steps.map(({ kind }) => kind)).not.toContain('moveSlots');
    run(cluster, spec, plan);
    expect(Object.values(shapeOf(cluster))).toEqual([2, 2, 2]);
  });

  it('lets a replica take over where a master leaves and a new node comes: no slot moves', () => {
    const cluster = six();
    const spec = specWith(THREE, leaving(hosts(7), ['h1']));
    const plan = planFor(cluster, spec);
    expect(titles(plan)).toEqual([
      'join h7:6379 as replica of h1:6379',
      'h5:6379 takes over from h1:6379 (h1:6379 leaves)',
      'forget h1:6379 on all nodes (the spec lets them leave)',
      'stop h1:6379',
      'look again for h1:6379 when Redis would learn of them again',
      'remove h1:6379 (with its data folder)',
      'give host h1 back (nothing of ours stays)',
      'smoke test through the cluster as the application user',
    ]);
    run(cluster, spec, plan);
    expect(planFor(cluster, spec)).toMatchObject({ steps: [], refusals: [] });
  });

  it('replaces a host that is lost after its master was failed over', () => {
    const cluster = six();
    cluster.failOver('h5:6379');
    cluster.get('h1:6379').running = false;
    const spec = specWith(THREE, leaving(hosts(7), ['h1'], 'lost'));
    const plan = planFor(cluster, spec);
    expect(plan.refusals).toEqual([]);
    expect(titles(plan)).toEqual([
      'join h7:6379 as replica of h5:6379',
      'forget h1:6379 on all nodes (the spec lets them leave)',
      'look again for h1:6379 when Redis would learn of them again',
      'smoke test through the cluster as the application user',
    ]);
    run(cluster, spec, plan);
    expect(planFor(cluster, spec)).toMatchObject({ steps: [], refusals: [] });
  });

  it('does not ask a lost host, and asks all others', () => {
    const spec = specWith(THREE, leaving(hosts(7), ['h1'], 'lost'));
    const cluster = six();
    cluster.failOver('h5:6379');
    cluster.get('h1:6379').running = false;
    const unsurveyed = ['h1', 'h2'].map((host) => ({ host, what: `${host} does not answer.`, next: 'Start it.' }));
    expect(planFor(cluster, spec, { unsurveyed }).refusals.map(({ host }) => host)).toEqual(['h2']);
  });

  it('refuses to let a lost master go whose slots nobody else has', () => {
    const cluster = six();
    cluster.get('h1:6379').running = false;
    const spec = specWith(THREE, leaving(hosts(7), ['h1'], 'lost'));
    const { refusals } = planFor(cluster, spec);
    expect(refusals[0]?.what).toMatch(
      /^Slots 0-5460 have no owner that answers; h1:6379, declared lost, may have them/,
    );
  });

  it('forms no new cluster in the place of one of which every member is lost', () => {
    const cluster = six();
    for (const node of cluster.nodes) node.running = false;
    const fresh = [1, 2, 3, 4, 5, 6].map((n) => hostOf(`n${n}`, { zone: `z${(n % 3) + 1}`, address: `10.0.1.${n}` }));
    const plan = planFor(
      cluster,
      specWith(THREE, [...leaving(hosts(6), ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'], 'lost'), ...fresh]),
    );
    expect(plan.steps.map(({ kind }) => kind)).not.toContain('formCluster');
    expect(plan.refusals[0]?.what).toMatch(/^h1:6379, .* are to leave a cluster of which no other member is known/);
  });

  it('drains masters that leave with their replicas', () => {
    const spec = specWith({ masters: 4, replicasPerMaster: 1 }, hosts(8));
    const cluster = new ModelCluster(spec, place(spec));
    const [first] = place(spec).masters;
    const replica = place(spec).replicas.find(({ of }) => of === first?.node);
    const gone = [first?.node, replica?.node].map((name) => name?.split(':')[0] ?? '');
    const smaller = specWith(THREE, leaving(hosts(8), gone));
    const plan = planFor(cluster, smaller);
    expect(plan.refusals).toEqual([]);
    expect(plan.steps.find(({ kind }) => kind === 'moveSlots')).toMatchObject({ why: `drain ${first?.node}` });
    run(cluster, smaller, plan);
    expect(planFor(cluster, smaller)).toMatchObject({ steps: [], refusals: [] });
    expect(Object.values(shapeOf(cluster))).toEqual([1, 1, 1]);
  });

  it('makes replicas of masters that are too many, once they are drained', () => {
    const spec = specWith({ masters: 6, replicasPerMaster: 1 }, hosts(12));
    const cluster = new ModelCluster(spec, place(spec));
    const smaller = specWith({ masters: 4, replicasPerMaster: 2 }, hosts(12));
    const plan = planFor(cluster, smaller);
    expect(plan.refusals).toEqual([]);
    run(cluster, smaller, plan);
    expect(Object.values(shapeOf(cluster))).toEqual([2, 2, 2, 2]);
    expect(planFor(cluster, smaller).steps).toEqual([]);
  });

  it('makes a master of a replica where there is one to spare, by letting it join anew', () => {
    const spec = specWith({ masters: 3, replicasPerMaster: 2 }, hosts(9));
    const cluster = new ModelCluster(spec, place(spec));
    const other = specWith({ masters: 4, replicasPerMaster: 1, extraReplicas: 1 }, hosts(9));
    const plan = planFor(cluster, other);
    expect(plan.refusals).toEqual([]);
    expect(titles(plan)[0]).toMatch(/^forget h\d:6379 on all nodes \(they join anew, as masters\)$/);
    run(cluster, other, plan);
    expect(shapeOf(cluster)).toSatisfy((shape: Record<string, number>) => Object.values(shape).length === 4);
    expect(planFor(cluster, other).steps).toEqual([]);
  });

  it('refuses to make a master of a replica that its shard needs', () => {
    const spec = specWith({ masters: 4, replicasPerMaster: 1 }, hosts(8));
    const attach = ['h7:6379', 'h8:6379'].map((node) => ({ node, of: 'h2:6379' }));
    const { refusals } = planFor(six(), spec, { goal: { kind: 'spec', attach } });
    expect(refusals[0]?.what).toBe(
      'The shape cannot be reached: 4 masters are wanted, and 1 of them would have to be made of replicas whose shards need them.',
    );
  });

  it('attaches new replicas to whom they are asked to follow', () => {
    const spec = specWith({ ...THREE, extraReplicas: 1 }, hosts(7));
    for (const of of ['h2:6379', 'h3:6379', 'h4:6379']) {
      const cluster = six();
      const plan = planFor(cluster, spec, { goal: { kind: 'spec', attach: [{ node: 'h7:6379', of }] } });
      expect(plan.refusals).toEqual([]);
      expect(titles(plan)[0]).toBe(`join h7:6379 as replica of ${cluster.shard(of).node.name}`);
    }
    const unknown = planFor(six(), spec, { goal: { kind: 'spec', attach: [{ node: 'h7:6379', of: 'h9:6379' }] } });
    expect(unknown.refusals[0]?.what).toBe('h7:6379 is to follow h9:6379, which is in no shard that stays.');
  });

  it('pins replicas while anything changes, where the spec lets Redis move them', () => {
    const cluster = six();
    const { redis } = specOf();
    const spec = specWith(THREE, leaving(hosts(7), ['h1']), { redis: { ...redis, replicaMigration: 'free' } });
    const { steps } = planFor(cluster, spec);
    const kinds = steps
      .map(({ kind }) => kind)
      .filter((kind) => !['prepareHost', 'placeNode', 'startNode'].includes(kind));
    expect([kinds[0], kinds.at(-2)]).toEqual(['pinReplicas', 'unpinReplicas']);
    expect(steps.find(({ kind }) => kind === 'unpinReplicas')).toMatchObject({
      nodes: stayingNodes(spec).map(({ name }) => name),
    });
  });

  it('leaves uneven shares alone where the spec asks for no balance, and says so; else evens them out', () => {
    const cluster = six();
    const uneven = { ranges: [[0, 5000]] as const, from: 'h1:6379', to: 'h2:6379' };
    cluster.take({ kind: 'moveSlots', id: 'm', moves: [uneven], why: '' });
    const plan = planFor(cluster, specOf());
    expect(plan.steps).toEqual([]);
    expect(plan.notes).toEqual([expect.stringMatching(/^Of 16384 slots h1:6379 owns 460, h2:6379 owns 10462;/)]);
    const balanced = planFor(cluster, specOf({ balance: { by: 'slots', thresholdPercent: 5, weights: {} } }));
    expect(titles(balanced)[0]).toBe('move 5001 slots (to the wanted shares)');
  });
});

interface Change {
  readonly from: ClusterSpec;
  readonly to: ClusterSpec;
  readonly failovers: readonly number[];
  /** What is printed of a case that fails. */
  readonly toString: () => string;
}

const words = ({ shape, hosts: all }: ClusterSpec) =>
  `${JSON.stringify(shape)} ${all.map(({ name, zone, nodes }) => `${name}/${zone}${nodes[0]?.leaving ?? ''}`).join(' ')}`;

const anyShape: fc.Arbitrary<ShapeSpec> = fc
  .record({
    masters: fc.integer({ min: 3, max: 6 }),
    replicasPerMaster: fc.integer({ min: 0, max: 2 }),
    extra: fc.nat(2),
  })
  .map(({ masters, replicasPerMaster, extra }) => ({
    ...{ masters, replicasPerMaster },
    ...(extra > 0 && replicasPerMaster > 0 ? { extraReplicas: extra } : {}),
  }));

const nodesOf = ({ masters, replicasPerMaster, extraReplicas = 0 }: ShapeSpec) =>
  masters * (1 + replicasPerMaster) + extraReplicas;

/** A cluster in one shape, and a spec that wants another: with some of its nodes leaving, and new ones. */
const anyChange: fc.Arbitrary<Change> = fc
  .record({
    before: anyShape,
    after: anyShape,
    gone: fc.array(fc.nat(20), { maxLength: 6 }),
    how: fc.constantFrom<'drain' | 'lost'>('drain', 'drain', 'drain', 'lost'),
    zones: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 24, maxLength: 24 }),
    failovers: fc.array(fc.nat(20), { maxLength: 4 }),
  })
  .map(({ before, after, gone, how, zones, failovers }): Change => {
    const old = hosts(nodesOf(before));
    const chosen = new Set(gone.map((n) => old[n % old.length]?.name ?? ''));
    // So many have to leave at least.
    for (const { name } of [...old].reverse()) if (old.length - chosen.size > nodesOf(after)) chosen.add(name);
    const fresh = Array.from({ length: nodesOf(after) - (old.length - chosen.size) }, (_, i) =>
      hostOf(`n${i + 1}`, { zone: `z${zones[i] ?? 1}`, address: `10.0.1.${i + 1}` }),
    );
    const from = specWith(before, old);
    const to = specWith(after, [...leaving(old, [...chosen], how), ...fresh]);
    return { from, to, failovers, toString: () => `${words(from)} -> ${words(to)}, failovers ${failovers.join()}` };
  })
  .filter(({ from, to }) => separationProblem(from) === null && separationProblem(to) === null);

describe('in any case', () => {
  const always = (holds: (given: { cluster: ModelCluster; spec: ClusterSpec; plan: PlanBody }) => void) => {
    const outcomes = { planned: 0, refused: 0 };
    fc.assert(
      fc.property(anyChange, ({ from, to, failovers }) => {
        const cluster = new ModelCluster(from, place(from));
        for (const n of failovers) {
          const replicas = cluster.nodes.filter(({ master }) => master !== null);
          const heir = replicas[n % Math.max(1, replicas.length)];
          if (heir !== undefined) cluster.failOver(heir.node.name);
        }
        const lost = to.hosts.filter(({ nodes }) => nodes.some(({ leaving: how }) => how === 'lost'));
        for (const { name } of lost) {
          const node = cluster.get(`${name}:6379`);
          const [heir] = cluster.replicasOf(node.node.name);
          if (node.slots.length > 0 && heir !== undefined) cluster.failOver(heir.node.name);
          node.running = false;
        }
        const plan = planFor(cluster, to);
        outcomes[plan.refusals.length > 0 ? 'refused' : 'planned'] += 1;
        holds({ cluster, spec: to, plan });
      }),
      { numRuns: 100 },
    );
    // Refusals are for what cannot be, not an easy way out.
    expect(outcomes.refused).toBeLessThan(outcomes.planned / 2);
  };

  it('every step can be taken, serves every slot and keeps every shard covered, and all of them lead to what the spec wants', () => {
    always(({ cluster, spec, plan }) => {
      if (plan.refusals.length > 0) return;
      run(cluster, spec, plan);
      const again = planApply(cluster.world(spec));
      expect({ steps: again.steps.map(describeStep), refusals: again.refusals }).toEqual({ steps: [], refusals: [] });
      expect(cluster.owners()).toHaveLength(spec.shape.masters);
      const members = cluster.nodes.filter(({ member }) => member).map(({ node }) => node.name);
      expect(members.sort()).toEqual(
        stayingNodes(spec)
          .map(({ name }) => name)
          .sort(),
      );
      for (const { node, master } of cluster.nodes.filter(({ member }) => member)) {
        if (master !== null) expect(cluster.get(master).node.zone).not.toBe(node.zone);
      }
    });
  });

  it('no more slots move than the masters that go have, or the new ones are to have', () => {
    always(({ cluster, spec, plan }) => {
      if (plan.refusals.length > 0) return;
      const moves = plan.steps.flatMap((step) => (step.kind === 'moveSlots' ? step.moves : []));
      const moved = moves.reduce((sum, { ranges }) => sum + slotsIn(ranges), 0);
      const { masters } = spec.shape;
      const added = Math.max(0, masters - cluster.owners().length);
      const gone = Math.max(0, cluster.owners().length - masters);
      const share = Math.max(...cluster.owners().map(({ slots }) => slotsIn(slots)));
      expect(moved).toBeLessThanOrEqual(gone * share + added * (Math.ceil(SLOT_COUNT / masters) + 1));
    });
  });

  it('names every step once, and is the same for the same world', () => {
    always(({ cluster, spec, plan }) => {
      expect(new Set(plan.steps.map(({ id }) => id)).size).toBe(plan.steps.length);
      expect(planApply(structuredClone(cluster.world(spec)))).toEqual(plan);
      const known = new Set(declaredNodes(spec).map(({ name }) => name));
      for (const step of plan.steps) if ('node' in step) expect(known).toContain(step.node);
    });
  });
});
