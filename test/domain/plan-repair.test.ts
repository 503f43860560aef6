import { describe, expect, it } from 'vitest';
import type { ApplyWorld } from '../../domain/apply-world.js';
import { place } from '../../domain/placement.js';
import { describeStep, type PlanBody } from '../../domain/plan.js';
import { planApply } from '../../domain/plan-apply.js';
import type { SlotRepair } from '../../domain/slot-repairs.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { ModelCluster } from '../support/cluster-model.js';
import { idOf, SETTINGS, soundObservation, withEntry, withExtraEntry, withNode } from '../support/observations.js';
import { hostOf, specOf } from '../support/spec.js';
import { formedSurveys } from '../support/survey.js';

const SMOKE = 'smoke test through the cluster as the application user';

function worldOf(change: Partial<ApplyWorld> = {}): ApplyWorld {
  return {
    ...new ModelCluster(specOf(), place(specOf())).world(specOf()),
    surveys: formedSurveys(),
    observation: soundObservation(),
    goal: { kind: 'repair' },
    operation: 'repair',
    ...change,
  };
}

const titles = ({ steps }: PlanBody) => steps.map(describeStep);

/** Nine hosts in three zones: three masters with two replicas each. */
const NINE = specOf({
  shape: { masters: 3, replicasPerMaster: 2 },
  hosts: Array.from({ length: 9 }, (_, i) =>
    hostOf(`h${i + 1}`, { zone: `z${(i % 3) + 1}`, address: `10.0.0.${i + 1}` }),
  ),
});

function repairOf(cluster: ModelCluster, spec: ClusterSpec): PlanBody {
  return planApply(cluster.world(spec, { goal: { kind: 'repair' }, operation: 'repair' }));
}

/** Takes the steps; a second plan has nothing to do. */
function settle(cluster: ModelCluster, spec: ClusterSpec, plan: PlanBody): void {
  for (const step of plan.steps) cluster.take(step);
  expect(titles(repairOf(cluster, spec))).toEqual([]);
}

describe('a repair', () => {
  it('has nothing to do where nothing is broken', () => {
    expect(planApply(worldOf())).toMatchObject({ operation: 'repair', steps: [], refusals: [], notes: [] });
  });

  it('mends half states of slots first, and does nothing to hosts and settings', () => {
    const repairs: SlotRepair[] = [{ repair: 'close-slot', ranges: [[7, 9]], owner: 'h1:6379', why: 'nothing moved' }];
    const observation = withNode(soundObservation(), 2, { settings: { ...SETTINGS, maxmemory: '5' } });
    const surveys = formedSurveys().map((survey) => ({
      ...survey,
      record: { ...survey.record, helperSha256: 'an older one' },
    }));
    expect(titles(planApply(worldOf({ repairs, observation, surveys })))).toEqual([
      'repair slots: close 7-9 with h1:6379 (nothing moved)',
      SMOKE,
    ]);
  });

  it('forgets ghosts on all nodes, and looks for them again', () => {
    const ghost = {
      id: idOf(9),
      address: '10.0.9.9',
      port: 6379,
      link: 'disconnected',
      flags: ['fail'],
      slots: [],
    } as const;
    const observation = withExtraEntry(soundObservation(), [1, 3], ghost);
    const plan = planApply(worldOf({ observation }));
    expect(titles(plan)).toEqual([
      'forget 10.0.9.9:6379 on all nodes (nobody answers under their IDs)',
      'look again for 10.0.9.9:6379 when Redis would learn of them again',
      SMOKE,
    ]);
    expect(plan.steps[0]).toMatchObject({ nodes: [{ name: '10.0.9.9:6379', nodeId: idOf(9) }] });
  });

  it('lets go of pins that were left', () => {
    const pinnedBy = { 'cluster-allow-replica-migration': 'no' };
    const observation = withNode(soundObservation(), 2, { settings: { ...SETTINGS, ...pinnedBy } });
    const settings = { ...SETTINGS, 'cluster-allow-replica-migration': 'yes' };
    const unpin = { kind: 'unpinReplicas', id: 'unpinReplicas', nodes: ['h2:6379'] };
    expect(planApply(worldOf({ observation, settings })).steps[0]).toEqual(unpin);
    const balance = { by: 'slots', thresholdPercent: 2, weights: {} } as const;
    expect(planApply(worldOf({ observation, settings, goal: { kind: 'balance', balance } })).steps[0]).toEqual(unpin);
    // An apply sets it with all other settings that differ.
    const applied = planApply(worldOf({ observation, settings, goal: { kind: 'spec' } }));
    expect(titles(applied)).toEqual(['change settings of h2:6379: cluster-allow-replica-migration no -> yes']);
  });

  it('gives a master without a replica one that another has to spare', () => {
    const cluster = new ModelCluster(NINE, place(NINE));
    const [first, second] = cluster.owners().map(({ node }) => node.name);
    for (const replica of cluster.replicasOf(first ?? '')) {
      const other = cluster
        .owners()
        .find(
          ({ node }) =>
            node.zone !== replica.node.zone && node.name !== first && cluster.replicasOf(node.name).length < 4,
        );
      cluster.take({
        kind: 'attachReplica',
        id: 'a',
        node: replica.node.name,
        of: other?.node.name ?? second ?? '',
        why: '',
      });
    }
    expect(cluster.replicasOf(first ?? '')).toHaveLength(0);
    const plan = repairOf(cluster, NINE);
    expect(titles(plan)[0]).toMatch(
      /^attach h\d:6379 to h1:6379 \(h1:6379 has no replica, and h\d:6379 has one to spare\)$/,
    );
    settle(cluster, NINE, plan);
    expect(cluster.replicasOf(first ?? '')).not.toHaveLength(0);
  });

  it('brings replicas out of the zone of their master, one at a time, while another covers it', () => {
    const cluster = new ModelCluster(NINE, place(NINE));
    const [replica] = cluster.replicasOf('h1:6379');
    // Its master's zone is another one now: a failover to a sibling of that zone.
    const sibling = cluster.replicasOf('h1:6379').find(({ node }) => node.name !== replica?.node.name);
    const moved = cluster.nodes.find(
      ({ node, master }) => master !== null && master !== 'h1:6379' && node.zone === sibling?.node.zone,
    );
    cluster.take({ kind: 'attachReplica', id: 'a', node: moved?.node.name ?? '', of: 'h1:6379', why: '' });
    cluster.failOver(sibling?.node.name ?? '');
    const plan = repairOf(cluster, NINE);
    expect(plan.steps.map(({ kind }) => kind)).toContain('attachReplica');
    settle(cluster, NINE, plan);
    for (const { node, master } of cluster.nodes) {
      if (master !== null) expect(cluster.get(master).node.zone).not.toBe(node.zone);
    }
  });

  it('spreads masters over zones where one holds half of them', () => {
    const cluster = new ModelCluster(specOf(), place(specOf()));
    // h1 (z1) gives over to its replica, which is in another zone.
    const [heir] = cluster.replicasOf('h1:6379');
    cluster.failOver(heir?.node.name ?? '');
    const plan = repairOf(cluster, specOf());
    expect(titles(plan)[0]).toMatch(/takes over from .* \(zone z\d holds 2 of 3 masters\)$/);
    settle(cluster, specOf(), plan);
    expect(new Set(cluster.owners().map(({ node }) => node.zone)).size).toBe(3);
  });

  it('leaves members alone while one is missing, and says so; half states are mended all the same', () => {
    const cluster = new ModelCluster(specOf(), place(specOf()));
    cluster.failOver(cluster.replicasOf('h1:6379')[0]?.node.name ?? '');
    cluster.get('h1:6379').running = false;
    const repairs: SlotRepair[] = [{ repair: 'close-slot', ranges: [[7, 7]], owner: 'h2:6379', why: 'nothing moved' }];
    const plan = planApply(cluster.world(specOf(), { goal: { kind: 'repair' }, repairs }));
    expect(titles(plan)).toEqual(['repair slots: close 7 with h2:6379 (nothing moved)', SMOKE]);
    expect(plan.refusals).toEqual([]);
    expect(plan.notes).toEqual([
      expect.stringMatching(/^Replicas, masters and ghosts are left as they are: h1:6379 does not/),
    ]);
  });

  it('does not forget a node that only one member does not know', () => {
    const observation = withEntry(soundObservation(), { viewer: 2, member: 5 }, null);
    expect(planApply(worldOf({ observation })).steps).toEqual([]);
  });
});
