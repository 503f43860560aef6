import type { DraftedPlan } from '../activities/cluster/activities.js';
import type { ForgeActivities } from '../activities/index.js';
import { surveyOutcome } from '../activities/hosts/all-hosts.js';
import { ForgeError } from '../domain/errors.js';
import type { Goal } from '../domain/goal.js';
import type { DataDecision } from '../domain/operation.js';
import { hostsAtWork } from '../domain/nodes.js';
import type { OperationKind, Plan } from '../domain/plan.js';
import { portsToExamine } from '../domain/reach.js';
import { requestedMoves, type SlotRequest } from '../domain/slot-request.js';
import type { ClusterSpec } from '../domain/spec.js';
import type { HostOutcome } from '../domain/survey.js';
import { withLocalActivities } from './local.js';
import { pastFailovers } from './past-failovers.js';

export interface ApplyDraft {
  readonly env: NodeJS.ProcessEnv;
  readonly spec: ClusterSpec;
  /** Where nobody reads the plan before it is run, the ports between the hosts are left to the operation, which tries them in any case. */
  readonly ports: 'examine' | 'leave';
  /** `apply` where it is absent. */
  readonly operation?: Exclude<OperationKind, 'destroy'>;
  /** What the spec says where it is absent. */
  readonly goal?: Goal;
  /** Hears once that a failover is waited for; where it is absent none is, and the plan is refused while one is on its way. */
  readonly waiting?: (line: string) => void;
}

/** The plan as this machine sees the world now; the operation makes its own and compares. */
export async function draftApply({ env, ports, waiting, ...wish }: ApplyDraft): Promise<DraftedPlan> {
  return withLocalActivities(env, async (activities) => {
    const { spec } = wish;
    const draft = async () => {
      const outcomes = await surveyAll(activities, spec);
      const hosts = ports === 'leave' || beingWorkedOn(outcomes) ? [] : portsToExamine(spec, outcomes);
      const found = hosts.length === 0 ? {} : { reach: await activities.examinePorts({ spec, hosts }) };
      return activities.draftApplyPlan({ ...wish, outcomes, ...found });
    };
    return waiting === undefined ? draft() : pastFailovers({ spec, draft, waiting });
  });
}

/** The plan of a `reshard`: who has the slots by now is asked first. Throws ForgeError Refused where they cannot be moved as asked. */
export async function draftMoves({
  env,
  spec,
  requests,
}: {
  env: NodeJS.ProcessEnv;
  spec: ClusterSpec;
  requests: readonly SlotRequest[];
}): Promise<{ plan: Plan; goal: Goal }> {
  return withLocalActivities(env, async (activities) => {
    const [verdict, outcomes] = await Promise.all([activities.judgeCluster({ spec }), surveyAll(activities, spec)]);
    const asked = requestedMoves(requests, verdict.nodes);
    if ('problem' in asked) {
      const { problem: what, next } = asked;
      throw new ForgeError('Refused', { what, left: 'Nothing was started or changed.', next });
    }
    const goal: Goal = { kind: 'slots', moves: asked.moves };
    const { plan } = await activities.draftApplyPlan({ spec, outcomes, operation: 'reshard', goal });
    return { plan, goal };
  });
}

/** An operation that holds a host may be about to start nodes: the ports that they need are not taken from them even for a moment. */
function beingWorkedOn(outcomes: readonly HostOutcome[]): boolean {
  return outcomes.some((outcome) => outcome.surveyed && outcome.survey.record.lease !== null);
}

export async function draftDestroy({
  env,
  spec,
  data,
}: {
  env: NodeJS.ProcessEnv;
  spec: ClusterSpec;
  data: DataDecision;
}): Promise<DraftedPlan> {
  return withLocalActivities(env, async (activities) =>
    activities.draftDestroyPlan({ spec, data, outcomes: await surveyAll(activities, spec) }),
  );
}

/** Asks all hosts at once, those that are given up as lost apart; one that cannot be asked is part of the answer. The SSH pool bounds how many logins there are at a time. */
export function surveyAll(activities: ForgeActivities, spec: ClusterSpec): Promise<HostOutcome[]> {
  return Promise.all(hostsAtWork(spec).map(({ name: host }) => surveyOutcome(activities, { spec, host }, 1)));
}
