import { createHash } from 'node:crypto';
import { type NodeSecrets, resolveSecrets, type SecretResolver } from '../../config/secrets.js';
import { configsAsRunning, renderNodeFiles, type RenderRequest, wantedSettings } from '../../config/render.js';
import { renderUnit } from '../../config/render-unit.js';
import { type ApplyWorld, runningWithOtherFiles, type WantedFiles } from '../../domain/apply-world.js';
import { expectationOf } from '../../domain/expectation.js';
import type { Goal } from '../../domain/goal.js';
import type { SlotFacts } from '../../domain/move-facts.js';
import { forecastOf } from '../../domain/move-forecast.js';
import { isSettled, judge } from '../../domain/judge.js';
import { settingDrift } from '../../domain/judge-expectation.js';
import { nodeName } from '../../domain/nodes.js';
import { answering, type Observation, selfOf } from '../../domain/observation.js';
import type { DataDecision } from '../../domain/operation.js';
import { canonicalJson, type OperationKind, type Plan, type PlanBody, type Refusal } from '../../domain/plan.js';
import { planApply } from '../../domain/plan-apply.js';
import { planDestroy } from '../../domain/plan-destroy.js';
import { decisiveOf } from '../../domain/plan-digest.js';
import { reachRemarks, type ReachReport } from '../../domain/reach.js';
import { planRepairs, type RepairPlan } from '../../domain/slot-repair-plan.js';
import type { MoveForecast } from '../../domain/slot-moves.js';
import type { SlotStates } from '../../domain/slot-states.js';
import type { FactsRequest } from '../redis/move/facts.js';
import { strayReplicas } from '../../domain/strays.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { HostOutcome, HostSurvey } from '../../domain/survey.js';
import type { Verdict } from '../../domain/verdict.js';
import { pollUntil } from './poll.js';

export interface ClusterDeps {
  readonly observe: (input: { spec: ClusterSpec; strayKeys?: 'looked for' | 'left out' }) => Promise<Observation>;
  /** By node name, for these nodes: users that have another secret than the spec's, or are not there; `null` where a node cannot be asked. */
  readonly otherSecrets: (input: {
    spec: ClusterSpec;
    nodes: readonly string[];
  }) => Promise<Record<string, string[] | null>>;
  readonly secrets: SecretResolver;
  /** What decides about half states of slots. */
  readonly lookAtSlots: (look: { spec: ClusterSpec; observation: Observation }) => Promise<SlotStates>;
  readonly gatherSlotFacts: (request: FactsRequest) => Promise<SlotFacts>;
  /** Digest of the host helper that this version installs. */
  readonly helperSha256: string;
}

export interface DraftedPlan {
  readonly plan: Plan;
  readonly verdict: Verdict | null;
}

/** What looks at the cluster as a whole. All of it only reads, so asking twice is the same as asking once. */
export function createClusterActivities(deps: ClusterDeps) {
  const { observe, otherSecrets, secrets, helperSha256 } = deps;
  const judged = (spec: ClusterSpec, observation: Observation): Verdict =>
    judge({ cluster: spec.name, observation, expectation: expectationOf(spec, wantedSettings(spec)) });

  const judgeCluster = async ({ spec }: { spec: ClusterSpec }): Promise<Verdict> =>
    judged(spec, await observe({ spec }));

  /** Looks quickly until it is good, and then once closely. */
  const judgeUntil = async (
    spec: ClusterSpec,
    enough: (verdict: Verdict) => boolean,
    deadlineMs = spec.timings.formMs,
  ): Promise<Verdict> => {
    const { pollMs } = spec.timings;
    const ask = async () => {
      const quick = judged(spec, await observe({ spec, strayKeys: 'left out' }));
      return enough(quick) ? judgeCluster({ spec }) : quick;
    };
    return pollUntil({ ask, enough, deadlineMs, pollMs });
  };

  return {
    judgeCluster,

    /** The plan of an `apply` for the world as the surveys and a fresh observation show it. */
    async draftApplyPlan({ spec, outcomes, reach, operation, goal }: ApplyPlanDraft): Promise<DraftedPlan> {
      const [nodeSecrets, observation] = await Promise.all([
        resolveSecrets({ spec, resolve: secrets }),
        observe({ spec }),
      ]);
      const { surveys, unsurveyed } = sorted(outcomes);
      const files = wantedFiles(spec, nodeSecrets);
      const nodes = runningWithOtherFiles({ spec, surveys, wantedFiles: files });
      const half = await halfStates({ spec, observation }, deps);
      const world: ApplyWorld = {
        spec,
        helperSha256,
        surveys,
        unsurveyed,
        observation,
        wantedUnits: wantedUnits(spec),
        wantedFiles: files,
        configAsRunning: configAsRunning({ spec, secrets: nodeSecrets, observation }),
        settings: wantedSettings(spec),
        otherSecrets: await otherSecrets({ spec, nodes }),
        repairs: half.repairs,
        ...(reach === undefined ? {} : { reach }),
        ...(operation === undefined ? {} : { operation }),
        ...(goal === undefined ? {} : { goal }),
      };
      const remarks = [...reachRemarks(world), ...half.stuck.map(({ what, next }) => `${what} ${next}`)];
      const { body, forecast } = await planWithFacts(world, deps);
      const plan = {
        ...withDigest(body),
        ...(remarks.length === 0 ? {} : { remarks }),
        ...(forecast === undefined ? {} : { forecast }),
      };
      return { plan, verdict: judged(spec, observation) };
    },

    /** The plan of a `destroy`. */
    async draftDestroyPlan({ spec, outcomes, data }: DestroyDraft): Promise<DraftedPlan> {
      const observation = await observe({ spec });
      const body = planDestroy({ spec, ...sorted(outcomes), observation, data });
      return { plan: withDigest(body), verdict: judged(spec, observation) };
    },

    /**
     * Observes until the verdict is healthy, or a master has been without slots for a node timeout that is to follow another one, or `timings.formMs` is over; in any case the last
     * verdict is the answer.
     */
    async awaitHealthy({ spec }: { spec: ClusterSpec }): Promise<Verdict> {
      const hasStrays = strayedFor(spec, spec.redis.nodeTimeoutMs);
      return judgeUntil(spec, (verdict) => verdict.healthy || hasStrays(verdict));
    },

    /** As `awaitHealthy`, until no half state is left: what a stopped operation can answer for, whose cluster may not have its shape yet. */
    async awaitSettled({ spec }: { spec: ClusterSpec }): Promise<Verdict> {
      // Gossip takes seconds; what a dead node keeps open for longer than this is told as it is.
      return judgeUntil(spec, isSettled, Math.min(spec.timings.formMs, SETTLING_TIMEOUTS * spec.redis.nodeTimeoutMs));
    },
  };
}

/** Where nobody owns a slot yet nothing is half done. */
async function halfStates(
  { spec, observation }: { spec: ClusterSpec; observation: Observation },
  { lookAtSlots }: Pick<ClusterDeps, 'lookAtSlots'>,
): Promise<RepairPlan> {
  const formed = answering(observation).some((node) => (selfOf(node)?.slots.length ?? 0) > 0);
  return formed ? planRepairs(await lookAtSlots({ spec, observation })) : { repairs: [], stuck: [] };
}

/** Tells of each verdict whether the same strays have been there for so long: those that follow by themselves have done so by then. */
function strayedFor(spec: ClusterSpec, ms: number): (verdict: Verdict) => boolean {
  let [names, since] = ['', performance.now()];
  return (verdict) => {
    const now = strayReplicas(spec, verdict).map(({ node }) => node);
    if (now.join() !== names) [names, since] = [now.join(), performance.now()];
    return now.length > 0 && performance.now() - since >= ms;
  };
}

/** So many node timeouts are given to what was closed to be seen by all. */
const SETTLING_TIMEOUTS = 3;

/** Where slots are to be moved, the masters are asked what that takes; shares by memory follow from it, and refusals. */
async function planWithFacts(
  world: ApplyWorld,
  { gatherSlotFacts }: Pick<ClusterDeps, 'gatherSlotFacts'>,
): Promise<{ readonly body: PlanBody; readonly forecast: MoveForecast | undefined }> {
  const { spec, observation } = world;
  const body = planApply(world);
  const ranges = body.steps
    .flatMap((step) => (step.kind === 'moveSlots' ? step.moves : []))
    .flatMap((move) => move.ranges);
  if (ranges.length === 0 && !sharesMemory(world)) return { body, forecast: undefined };
  const slotFacts = await gatherSlotFacts({ spec, observation, ranges });
  const informed = planApply({ ...world, slotFacts });
  return { body: informed, forecast: forecastOf({ spec, observation, slotFacts }, informed.steps) };
}

function sharesMemory({ spec, goal }: ApplyWorld): boolean {
  const balance = goal?.kind === 'balance' ? goal.balance : spec.balance;
  return balance?.by === 'memory';
}

export interface ApplyPlanDraft {
  readonly spec: ClusterSpec;
  readonly outcomes: readonly HostOutcome[];
  readonly reach?: ReachReport;
  /** `apply` where it is absent. */
  readonly operation?: Exclude<OperationKind, 'destroy'>;
  /** What is to be reached; what the spec says where it is absent. */
  readonly goal?: Goal;
}

export interface DestroyDraft {
  readonly spec: ClusterSpec;
  readonly outcomes: readonly HostOutcome[];
  readonly data: DataDecision;
}

export type ClusterActivities = ReturnType<typeof createClusterActivities>;

function sorted(outcomes: readonly HostOutcome[]): { surveys: HostSurvey[]; unsurveyed: Refusal[] } {
  return {
    surveys: outcomes.flatMap((outcome) => (outcome.surveyed ? [outcome.survey] : [])),
    unsurveyed: outcomes.flatMap((outcome) => {
      if (outcome.surveyed) return [];
      const { host, failure, what, next } = outcome;
      return [{ host, failure, what, next }];
    }),
  };
}

function wantedFiles(spec: ClusterSpec, secrets: NodeSecrets): Record<string, WantedFiles> {
  const digests = (host: ClusterSpec['hosts'][number], port: number): WantedFiles => {
    const files = renderNodeFiles({ spec, host, port, secrets });
    const digestOf = (role: keyof WantedFiles) => files.find((file) => file.role === role)?.sha256 ?? '';
    return { config: digestOf('config'), acl: digestOf('acl'), service: digestOf('service') };
  };
  return Object.fromEntries(
    spec.hosts.flatMap((host) => host.nodes.map(({ port }) => [nodeName(host.name, port), digests(host, port)])),
  );
}

function wantedUnits(spec: ClusterSpec): Record<string, string> {
  return Object.fromEntries(
    spec.hosts.flatMap((host) => {
      const unit = renderUnit(spec, host);
      return unit === null ? [] : [[host.name, unit.sha256]];
    }),
  );
}

function configAsRunning({
  spec,
  secrets,
  observation,
}: Pick<RenderRequest, 'spec' | 'secrets'> & { observation: Observation }): Record<string, string[]> {
  const settings = wantedSettings(spec);
  const seen = answering(observation);
  return Object.fromEntries(
    spec.hosts.flatMap((host) =>
      host.nodes.flatMap(({ port }) => {
        const name = nodeName(host.name, port);
        const node = seen.find((one) => one.name === name);
        if (node === undefined) return [];
        const running = settingDrift(node, { settings }).map((change) => [change.setting, change.running] as const);
        return [[name, configsAsRunning({ spec, host, port, secrets }, Object.fromEntries(running))]];
      }),
    ),
  );
}

function withDigest(body: PlanBody): Plan {
  return {
    ...body,
    digest: createHash('sha256')
      .update(canonicalJson(decisiveOf(body)))
      .digest('hex'),
  };
}
