import { describe, expect, it } from 'vitest';
import type { DraftedPlan } from '../../activities/cluster/activities.js';
import type { Refusal } from '../../domain/plan.js';
import { pastFailovers } from '../../starters/past-failovers.js';
import { specOf } from '../support/spec.js';

const AWAITED: Refusal = {
  ...{ what: 'Slots 0-5460 have no owner that answers.', next: 'Wait for the failover.' },
  awaited: { failovers: [{ of: 'h1:6379', replicas: ['h6:6379'] }] },
};
const OTHER: Refusal = { what: 'h2 does not answer.', next: 'Start it.' };

function draftedWith(...refusals: Refusal[]): DraftedPlan {
  const plan = { cluster: 'orders', uid: 'u', operation: 'replace' as const, digest: 'd', steps: [], refusals };
  return { plan: { ...plan, drift: [], notes: [] }, verdict: null };
}

/** What comes of these drafts, one after the other, the last one again and again. */
async function after(...drafts: DraftedPlan[]) {
  const lines: string[] = [];
  let asked = 0;
  const drafted = await pastFailovers({
    spec: specOf(),
    draft: () => Promise.resolve(drafts[Math.min(asked++, drafts.length - 1)] ?? draftedWith()),
    waiting: (line) => lines.push(line),
  });
  return { refusals: drafted.plan.refusals, lines, asked };
}

describe('a plan that a failover stands before', () => {
  it('is made anew until the failover is over; a person is told once', async () => {
    const { refusals, lines, asked } = await after(draftedWith(AWAITED), draftedWith(AWAITED), draftedWith());
    expect({ refusals, asked }).toEqual({ refusals: [], asked: 3 });
    expect(lines).toEqual(['Waiting for the failover of h1:6379 to h6:6379, up to 10 s …']);
  });

  it('is refused at once where nothing is to be awaited, also after a wait', async () => {
    expect(await after(draftedWith(OTHER))).toEqual({ refusals: [OTHER], lines: [], asked: 1 });
    expect((await after(draftedWith(AWAITED), draftedWith(OTHER))).refusals).toEqual([OTHER]);
  });

  it('is given as it stands where the failover does not come in its time', async () => {
    const spec = specOf();
    const slow = { ...spec, timings: { ...spec.timings, pollMs: 10_000 } };
    const drafted = await pastFailovers({
      spec: slow,
      draft: () => Promise.resolve(draftedWith(AWAITED)),
      waiting: () => undefined,
    });
    expect(drafted.plan.refusals).toEqual([AWAITED]);
  });
});
