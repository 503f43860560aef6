import { patched } from '@temporalio/workflow';
import type { DraftedPlan } from '../activities/cluster/activities.js';
import { hostsAtWork, specForHost } from '../domain/nodes.js';
import { generationsSeen, highestGeneration, type HostOutcome, leasesLeft } from '../domain/survey.js';
import { ALL_HOSTS } from './activity-options.js';
import { namedFailure } from './failures.js';
import { inParallel } from './in-parallel.js';
import type { Draft, Operation } from './operation.js';

/** Preflight, then the plan that follows from what the hosts said; `examine` is what they are asked to find out together before it. */
export async function draftFromSurvey<Found>(
  operation: Operation,
  draftPlan: (outcomes: readonly HostOutcome[], found: Found | undefined) => Promise<DraftedPlan>,
  examine?: (outcomes: readonly HostOutcome[]) => Promise<Found | undefined>,
): Promise<Draft> {
  const outcomes = await surveyHosts(operation);
  const found = await examine?.(outcomes);
  operation.logbook.enter('plan');
  const drafted = await draftPlan(outcomes, found);
  return {
    ...drafted,
    generation: highestGeneration(outcomes),
    seen: generationsSeen(outcomes),
    left: leasesLeft(outcomes),
  };
}

/** Asks all hosts at once, before anything is changed. A host that cannot be asked is part of the answer. */
async function surveyHosts(operation: Operation): Promise<HostOutcome[]> {
  const { spec } = operation.input;
  if (patched(ALL_HOSTS)) {
    const summary = `exam of ${hostsAtWork(spec).length} hosts`;
    return operation.activities.survey.surveyHosts.executeWithOptions({ summary }, [{ spec }]);
  }
  const outcomes: HostOutcome[] = [];
  await inParallel(hostsAtWork(spec), spec.timings.hostParallelism, async ({ name: host }) => {
    outcomes.push(await surveyHost(operation, host));
  });
  return spec.hosts.flatMap(({ name }) => outcomes.filter((outcome) => outcome.host === name));
}

async function surveyHost({ activities, input: { spec } }: Operation, host: string): Promise<HostOutcome> {
  try {
    const survey = await activities.read.surveyHost.executeWithOptions({ summary: `exam of ${host}` }, [
      { spec: specForHost(spec, host), host },
    ]);
    return { host, surveyed: true, survey };
  } catch (error) {
    const named = namedFailure(error);
    if (named === undefined) throw error;
    return { host, surveyed: false, failure: named.type, what: named.text.what, next: named.text.next };
  }
}
