import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Goal } from '../../domain/goal.js';
import { place } from '../../domain/placement.js';
import { planApply } from '../../domain/plan-apply.js';
import { scaleTo } from '../../domain/scaling-nodes.js';
import { goalAsShown } from '../../domain/shown-goal.js';
import { compactRanges, SLOT_COUNT } from '../../domain/slots.js';
import { editedSpec } from '../../domain/spec-edit.js';
import type { BalanceSpec, ClusterSpec } from '../../domain/spec.js';
import { ModelCluster } from '../support/cluster-model.js';
import { specOf } from '../support/spec.js';

vi.setConfig({ testTimeout: 60_000 });

/** The plan that is shown, and the one that the operation makes of the goal that it is given. */
function plans(cluster: ModelCluster, spec: ClusterSpec, goal: Goal | undefined) {
  cluster.declare(spec);
  const shown = planApply(cluster.world(spec, goal === undefined ? {} : { goal }));
  const given = goalAsShown(goal, shown);
  return { shown, again: planApply(cluster.world(spec, given === undefined ? {} : { goal: given })) };
}

/** As a cluster looks after years: slots lie anywhere. */
function scatter(cluster: ModelCluster, borders: readonly number[]): void {
  const masters = cluster.owners();
  const cuts = [0, ...[...new Set(borders)].sort((a, b) => a - b), SLOT_COUNT];
  for (const master of masters) master.slots = [];
  for (const [i, from] of cuts.slice(0, -1).entries()) {
    masters[i % masters.length]?.slots.push([from, (cuts[i + 1] ?? 0) - 1]);
  }
  for (const master of masters) master.slots = compactRanges(master.slots);
}

const borders = fc.array(fc.integer({ min: 1, max: SLOT_COUNT - 1 }), { minLength: 3, maxLength: 20 });

describe('a plan that was shown', () => {
  it('is the plan of the goal that goes with it, whatever shape is to be reached', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 7 }),
        fc.integer({ min: 1, max: 2 }),
        borders,
        (masters, replicas, cuts) => {
          const cluster = new ModelCluster(specOf(), place(specOf()));
          scatter(cluster, cuts);
          const reshaped = scaleTo({ spec: specOf(), masters, replicas });
          const spec = editedSpec(specOf(), 'edits' in reshaped ? reshaped.edits : []);
          const { shown, again } = plans(cluster, spec, { kind: 'spec' });
          expect(again).toEqual(shown);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('is the plan of the goal that goes with it, whatever shares are wanted', () => {
    const weight = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(borders, fc.tuple(fc.integer({ min: 1, max: 3 }), weight, weight), (cuts, [a, b, c]) => {
        const cluster = new ModelCluster(specOf(), place(specOf()));
        scatter(cluster, cuts);
        const [first = '', second = '', third = ''] = cluster.owners().map(({ node }) => node.name);
        const balance: BalanceSpec = {
          by: 'slots',
          thresholdPercent: 2,
          weights: { [first]: a, [second]: b, [third]: c },
        };
        const { shown, again } = plans(cluster, specOf(), { kind: 'balance', balance });
        expect(again).toEqual(shown);
        const applied = plans(cluster, specOf({ balance }), undefined);
        expect(applied.again).toEqual(applied.shown);
      }),
      { numRuns: 30 },
    );
  });
});
