import { patched, sleep } from '@temporalio/workflow';
import type { OperationKind, Plan } from '../domain/plan.js';
import { portsToExamine, type ReachReport } from '../domain/reach.js';
import { stagesOf } from '../domain/stages.js';
import type { HostOutcome } from '../domain/survey.js';
import { agree, type Verdict } from '../domain/verdict.js';
import { changeSettings } from './change-settings.js';
import { performOnCluster, unpinLeft } from './cluster-steps.js';
import { failure } from './failures.js';
import { followStrays } from './follow-strays.js';
import { performOnHosts } from './host-steps.js';
import type { Draft, Operation, Runbook } from './operation.js';
import { draftFromSurvey } from './survey.js';

type ShapingKind = Exclude<OperationKind, 'destroy'>;

/** What `apply` and all verbs that change the shape of a cluster have in common: they differ in what is to be reached. */
export function reachShape(kind: ShapingKind): Runbook {
  return { kind, draft: (operation) => draft(operation, kind), perform, prove };
}

async function draft(operation: Operation, kind: ShapingKind): Promise<Draft> {
  const { spec, goal } = operation.input;
  const { read } = operation.activities;
  const wanted = goal === undefined ? {} : { operation: kind, goal };
  return draftFromSurvey(
    operation,
    (outcomes, reach: ReachReport | undefined) => {
      const found = reach === undefined ? {} : { reach };
      return read.draftApplyPlan.executeWithOptions({ summary: 'plan' }, [{ spec, outcomes, ...found, ...wanted }]);
    },
    (outcomes) => examinePorts(operation, outcomes),
  );
}

/** Before nodes are started or formed, each host tries the others' ports: a cluster that cannot hear itself is not begun. */
async function examinePorts(
  { activities, input: { spec } }: Operation,
  outcomes: readonly HostOutcome[],
): Promise<ReachReport | undefined> {
  const hosts = portsToExamine(spec, outcomes);
  if (hosts.length === 0 || !patched('pairwise-ports')) return undefined;
  const summary = `ports between ${hosts.length} hosts`;
  return activities.read.examinePorts.executeWithOptions({ summary }, [{ spec, hosts }]);
}

/** The stages in the order of the plan. What was pinned for the time of the operation is let go, however it ends. */
async function perform(operation: Operation, { steps }: Plan): Promise<void> {
  try {
    for (const stage of stagesOf(steps)) {
      switch (stage.on) {
        case 'hosts':
          await performOnHosts(operation, stage.steps);
          break;
        case 'node':
          await changeSettings(operation, stage.step);
          break;
        case 'cluster':
          await performOnCluster(operation, stage.step);
          break;
        default:
          stage satisfies never;
      }
    }
  } catch (error) {
    await unpinLeft(operation, steps);
    throw error;
  }
}

/** One observation where nothing was changed; else two that agree, a node timeout apart, so that a link that died silently shows. */
async function prove(operation: Operation): Promise<Verdict> {
  const { spec } = operation.input;
  const { read, settle } = operation.activities;
  if (!operation.logbook.changed) return read.judgeCluster.executeWithOptions({ summary: 'proof' }, [{ spec }]);
  let last = await settle.awaitHealthy.executeWithOptions({ summary: 'proof: first observation' }, [{ spec }]);
  if (!last.healthy && (await followStrays(operation, last)))
    last = await settle.awaitHealthy.executeWithOptions({ summary: 'proof: first observation' }, [{ spec }]);
  for (let look = 2; look <= MOST_LOOKS; look++) {
    if (!last.healthy) return last;
    await sleep(spec.redis.nodeTimeoutMs, { summary: 'a node timeout, for what died silently to show' });
    const next = await read.judgeCluster.executeWithOptions({ summary: `proof: observation ${look}` }, [{ spec }]);
    if (!next.healthy || agree(last, next)) return next;
    last = next;
  }
  throw failure('NotProven', {
    what: `Cluster ${spec.name} is healthy and does not hold still: no two of ${MOST_LOOKS} observations agree on roles and slots.`,
    left: 'What the steps have done stays.',
    next: 'Look for failovers with `redisforge status`, and at the nodes with `redisforge logs`.',
  });
}

/** Observations until a cluster whose roles change between two of them is called unsteady. */
const MOST_LOOKS = 5;
