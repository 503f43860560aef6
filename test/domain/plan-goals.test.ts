import { describe, expect, it } from 'vitest';
import type { ApplyWorld } from '../../domain/apply-world.js';
import type { Goal } from '../../domain/goal.js';
import { place } from '../../domain/placement.js';
import { describeStep, type PlanBody } from '../../domain/plan.js';
import { planApply } from '../../domain/plan-apply.js';
import type { SlotMove } from '../../domain/slot-moves.js';
import { slotsIn } from '../../domain/slots.js';
import { ModelCluster } from '../support/cluster-model.js';
import { hostOf, specOf } from '../support/spec.js';

const SMOKE = 'smoke test through the cluster as the application user';
const balanceBy = (weights: Readonly<Record<string, number>> = {}): Goal => ({
  kind: 'balance',
  balance: { by: 'slots', thresholdPercent: 2, weights },
});

function six(): ModelCluster {
  return new ModelCluster(specOf(), place(specOf()));
}

function planOf(cluster: ModelCluster, goal: Goal, change: Partial<ApplyWorld> = {}): PlanBody {
  return planApply(cluster.world(specOf(), { goal, ...change }));
}

const titles = ({ steps }: PlanBody) => steps.map(describeStep);
const movesOf = ({ steps }: PlanBody) => steps.flatMap((step) => (step.kind === 'moveSlots' ? step.moves : []));

describe('a rebalance', () => {
  it('has nothing to do where shares are even', () => {
    expect(planOf(six(), balanceBy())).toMatchObject({ steps: [], refusals: [] });
  });

  it('moves to the wanted shares and nothing else, whatever the hosts look like', () => {
    const cluster = six();
    const goal = balanceBy({ 'h1:6379': 2 });
    const surveys = cluster.world(specOf()).surveys.map((survey) => ({
      ...survey,
      record: { ...survey.record, helperSha256: 'an older one' },
    }));
    const plan = planOf(cluster, goal, { surveys, operation: 'rebalance' });
    expect(plan.operation).toBe('rebalance');
    expect(titles(plan)).toEqual(['move 2731 slots (to the wanted shares)', SMOKE]);
    for (const step of plan.steps) cluster.take(step);
    expect(planOf(cluster, goal).steps).toEqual([]);
  });

  it('reads a weight that is said for a replica as that of its shard', () => {
    const cluster = six();
    const [replica] = cluster.replicasOf('h1:6379');
    expect(movesOf(planOf(cluster, balanceBy({ [replica?.node.name ?? '']: 2 })))).toEqual(
      movesOf(planOf(cluster, balanceBy({ 'h1:6379': 2 }))),
    );
  });

  it('leaves out of the moves that were shown what is done by now', () => {
    const cluster = six();
    const goal = balanceBy({ 'h1:6379': 2 });
    const shown = movesOf(planOf(cluster, goal));
    const [first] = shown;
    if (first === undefined) throw new Error('nothing is to be moved');
    const half: SlotMove = { ...first, ranges: [[first.ranges[0]?.[0] ?? 0, (first.ranges[0]?.[0] ?? 0) + 99]] };
    cluster.take({ kind: 'moveSlots', id: 'm', moves: [half], why: '' });
    const rest = movesOf(planOf(cluster, { ...goal, moves: shown } as Goal));
    const count = (moves: readonly SlotMove[]) => moves.reduce((sum, { ranges }) => sum + slotsIn(ranges), 0);
    expect(count(rest)).toBe(count(shown) - 100);
  });
});

describe('a reshard', () => {
  const slots = (...moves: SlotMove[]): Goal => ({ kind: 'slots', moves });

  it('moves exactly what is asked for, from whoever owns it, to the master of the named shard', () => {
    const cluster = six();
    const [replica] = cluster.replicasOf('h2:6379');
    const plan = planOf(cluster, slots({ ranges: [[5400, 5500]], from: 'h3:6379', to: replica?.node.name ?? '' }));
    expect(movesOf(plan)).toEqual([{ ranges: [[5400, 5460]], from: 'h1:6379', to: 'h2:6379' }]);
    expect(titles(plan)).toEqual(['move 61 slots (as asked)', SMOKE]);
  });

  it.each<[string, SlotMove[], RegExp]>([
    [
      'slots that are to go to two masters',
      [
        { ranges: [[1, 9]], from: 'h1:6379', to: 'h2:6379' },
        { ranges: [[9, 12]], from: 'h1:6379', to: 'h3:6379' },
      ],
      /^Slots 9 are asked to go to two masters/,
    ],
    ['a target that is nobody', [{ ranges: [[1, 9]], from: 'h1:6379', to: 'h9:6379' }], /h9:6379: it is in no shard/],
  ])('refuses %s', (_, moves, what) => {
    expect(planOf(six(), slots(...moves)).refusals[0]?.what).toMatch(what);
  });

  it('refuses slots that nobody owns, and while a member is missing, is taken for dead or has no copy', () => {
    const move = slots({ ranges: [[1, 9]], from: 'h1:6379', to: 'h2:6379' });
    const dead = six();
    dead.get('h1:6379').running = false;
    expect(planOf(dead, move).refusals.map(({ what }) => what)).toEqual([
      expect.stringMatching(/^Slots 0-5460 have no owner that answers/),
      expect.stringMatching(/^Slots 1-9 are owned by nobody/),
    ]);
    const lame = six();
    const [replica] = lame.replicasOf('h2:6379');
    lame.get(replica?.node.name ?? '').running = false;
    expect(planOf(lame, move).refusals.map(({ what }) => what)).toEqual([
      expect.stringMatching(/does not answer, and members, roles and slots are changed only while all that stay do/),
      expect.stringMatching(/^h2:6379 has 0 replicas in sync, wanted are 1/),
    ]);
  });

  it('is refused where nothing was formed', () => {
    const cluster = six();
    for (const node of cluster.nodes) Object.assign(node, { running: false, onHost: false, member: false });
    const plan = planOf(cluster, slots({ ranges: [[1, 9]], from: 'h1:6379', to: 'h2:6379' }));
    expect(plan.refusals[0]?.what).toMatch(/has no member that answers/);
  });
});

describe('an apply that changes no shape', () => {
  it('is not refused because of what only a change of shape needs', () => {
    const cluster = six();
    const [replica] = cluster.replicasOf('h2:6379');
    cluster.get(replica?.node.name ?? '').running = false;
    const plan = planApply(cluster.world(specOf()));
    expect(plan.refusals).toEqual([]);
    expect(titles(plan)).toEqual([`start ${replica?.node.name} (stopped)`, SMOKE]);
  });

  it('starts a master that was failed over, and leaves it to Redis whom it follows then', () => {
    const cluster = six();
    const [replica] = cluster.replicasOf('h2:6379');
    cluster.failOver(replica?.node.name ?? '');
    cluster.get('h2:6379').running = false;
    cluster.get('h2:6379').master = null;
    const plan = planApply(cluster.world(specOf()));
    expect(plan.refusals).toEqual([]);
    expect(titles(plan)).toEqual(['start h2:6379 (stopped)', SMOKE]);
  });

  it('forms no cluster around new hosts while an old one is down', () => {
    const cluster = six();
    cluster.get('h1:6379').running = false;
    const hosts = [...specOf().hosts, hostOf('h7', { zone: 'z1', address: '10.0.0.7' })];
    const spec = specOf({ hosts, shape: { masters: 3, replicasPerMaster: 1, extraReplicas: 1 } });
    cluster.declare(spec);
    const plan = planApply(cluster.world(spec));
    expect(plan.steps.map(({ kind }) => kind)).not.toContain('formCluster');
    expect(plan.refusals[0]?.what).toMatch(/^Slots 0-5460 have no owner that answers/);
  });
});
