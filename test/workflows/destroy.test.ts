import { describe, expect, inject, it } from 'vitest';
import type { DraftedPlan } from '../../activities/cluster/activities.js';
import type { Step } from '../../domain/plan.js';
import { awaitReport } from '../../starters/reports.js';
import { runScripted, type Script } from '../support/scripted.js';
import { surveyOf } from '../support/survey.js';

const address = inject('temporalAddress');

let clusters = 0;
const fresh = () => `destroy-${process.pid}-${++clusters}`;

const STEPS: Step[] = [
  { kind: 'stopNode', id: 'stopNode/h1:6379', host: 'h1', node: 'h1:6379' },
  { kind: 'removeNode', id: 'removeNode/h1:6379', host: 'h1', node: 'h1:6379', data: 'delete' },
  { kind: 'releaseHost', id: 'releaseHost/h1', host: 'h1', data: 'delete' },
];

function planned(steps: Step[]): DraftedPlan {
  const body = { cluster: 'c', uid: 'u', operation: 'destroy' as const, steps, refusals: [], drift: [], notes: [] };
  return { plan: { ...body, digest: 'shown' }, verdict: null };
}

function world(calls: string[], plans: DraftedPlan[]): Script {
  const does = (name: string) => async () => {
    calls.push(name);
    return Promise.resolve({ effects: [name] });
  };
  return {
    surveyHost: async ({ host }) => Promise.resolve(surveyOf(host, { generation: 2 })),
    draftDestroyPlan: async () => Promise.resolve(plans.shift() ?? planned([])),
    identifyServer: async () => Promise.resolve({ server: 'ns-1' }),
    takeLease: async ({ host }) => Promise.resolve(surveyOf(host).record),
    stopNode: does('stop'),
    removeNode: does('remove'),
    releaseHost: does('give back'),
    releaseLease: does('release'),
  };
}

describe('destroy', () => {
  it('stops, removes and gives back in this order, and is done when a fresh plan is empty', async () => {
    const calls: string[] = [];
    const script = world(calls, [planned(STEPS), planned([])]);
    const report = await runScripted(
      { address, cluster: fresh(), workflow: 'destroyClusterWorkflow', script },
      ({ handle }) => awaitReport(handle),
    );
    expect(report).toMatchObject({
      operation: 'destroy',
      outcome: 'done',
      changed: true,
      generation: 3,
      verdictAfter: null,
    });
    // h1 has no record any more; the other five give their leases back.
    expect(calls).toEqual(['stop', 'remove', 'give back', ...Array.from({ length: 5 }, () => 'release')]);
  });

  it('gives back the lease of a host whose record stays beside its data', async () => {
    const calls: string[] = [];
    const kept = STEPS.map((step) => ('data' in step ? { ...step, data: 'keep' as const } : step));
    await runScripted(
      {
        address,
        cluster: fresh(),
        workflow: 'destroyClusterWorkflow',
        script: world(calls, [planned(kept), planned([])]),
      },
      ({ handle }) => awaitReport(handle),
    );
    expect(calls).toEqual(['stop', 'remove', 'give back', ...Array.from({ length: 6 }, () => 'release')]);
  });

  it('fails where something is still there afterwards', async () => {
    const script = world([], [planned(STEPS), planned(STEPS.slice(1))]);
    const report = await runScripted(
      { address, cluster: fresh(), workflow: 'destroyClusterWorkflow', script },
      ({ handle }) => awaitReport(handle),
    );
    expect(report).toMatchObject({ outcome: 'failed', failure: { type: 'NotProven' } });
    expect(report.failure?.text.what).toContain('removeNode/h1:6379');
  });
});
