import { setTimeout as sleep } from 'node:timers/promises';
import type { DraftedPlan } from '../activities/cluster/activities.js';
import { type AwaitedFailover, failoverWaitMs, failoverWords } from '../domain/failovers.js';
import type { ClusterSpec } from '../domain/spec.js';
import { formatSeconds } from './render/moves.js';

export interface DraftPastFailovers {
  readonly spec: ClusterSpec;
  readonly draft: () => Promise<DraftedPlan>;
  /** Hears once, before the first wait, what is waited for and for how long at the most. */
  readonly waiting: (line: string) => void;
}

/**
 * The plan when the failovers are over that are on their way: right after a host died nothing can be planned, and a moment later Redis has mended what it
 * can. Where one does not come in its time, the plan is refused as it stands, and says so.
 */
export async function pastFailovers({ spec, draft, waiting }: DraftPastFailovers): Promise<DraftedPlan> {
  const waitMs = failoverWaitMs(spec);
  const pollMs = POLLS * spec.timings.pollMs;
  const end = performance.now() + waitMs;
  let told = false;
  for (;;) {
    const drafted = await draft();
    const awaited = awaitedBy(drafted);
    if (awaited.length === 0 || performance.now() + pollMs > end) return drafted;
    if (!told)
      waiting(`Waiting for the failover of ${failoverWords(awaited)}, up to ${formatSeconds(waitMs / 1000)} …`);
    told = true;
    await sleep(pollMs);
  }
}

function awaitedBy({ plan }: DraftedPlan): AwaitedFailover[] {
  return plan.refusals.flatMap(({ awaited }) => awaited?.failovers ?? []);
}

/** A draft asks every host and every node: it is made so many times less often than a single node is asked. */
const POLLS = 10;
