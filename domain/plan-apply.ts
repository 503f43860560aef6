import { type ApplyWorld, differingFiles, everFormed, nodeSurvey } from './apply-world.js';
import { examRefusals } from './exam.js';
import { planFormation } from './formation.js';
import { tuningLeft } from './formation-tuning.js';
import { installSteps } from './plan-install.js';
import { memoryProblems } from './memory.js';
import { declaredNodes, type DeclaredNode } from './nodes.js';
import { type AnsweringNode, answering } from './observation.js';
import { place, type Placement } from './placement.js';
import type { PlanBody, Refusal, Step } from './plan.js';
import { profileNotes, profileRefusals, profileSteps } from './plan-profile.js';
import { emptyStart } from './plan-guard.js';
import { planSettings } from './plan-settings.js';
import { reachRefusals } from './reach.js';
import type { ClusterSpec } from './spec.js';
import type { HostSurvey, NodeSurvey, ServiceState } from './survey.js';

/** The steps from the world as it is to the cluster that the spec declares. Pure: the same world gives the same plan. */
export function planApply(world: ApplyWorld): PlanBody {
  const { spec } = world;
  const placement = place(spec);
  const nodes = declaredNodes(spec).map((node) => ({ node, survey: nodeSurvey(world.surveys, node) }));
  const perHost = spec.hosts.flatMap((host) => [
    ...prepareSteps(world, host.name),
    ...osSteps(world, host.name),
    ...installSteps(spec, host, hostSurvey(world, host.name)),
    ...nodes
      .filter(({ node }) => node.host === host.name)
      .flatMap(({ node, survey }) => nodeSteps(world, node, survey)),
  ]);
  const forming = formationStep(world, placement);
  const changing = planSettings(world);
  const working = [...perHost, ...changing.steps, ...forming.steps];
  return {
    cluster: spec.name,
    uid: spec.uid,
    operation: 'apply',
    steps: working.some(concernsClients) ? [...working, { kind: 'smokeTest', id: 'smokeTest' }] : working,
    refusals: [
      ...world.unsurveyed,
      ...placement.problems.map((what) => ({ what, next: 'Change zones or shape in the spec.' })),
      ...spec.hosts.flatMap(({ name }) => hostRefusals(spec, hostSurvey(world, name))),
      ...reachRefusals(world),
      ...changing.refusals,
      ...forming.refusals,
      ...nodes.flatMap(({ node, survey }) => lockedOut(world, node, survey)),
      ...nodes.flatMap(({ node, survey }) => heldBack(world, node, survey)),
    ],
    drift: changing.drift,
    notes: [
      ...(forming.steps.length > 0 ? placement.notes : []),
      ...changing.notes,
      ...(perHost.length > 0 ? profileNotes(spec, world.surveys) : []),
    ],
  };
}

/** Whether clients could get another answer after the step, so that the application's way is tried. Settings are read back one by one. */
function concernsClients(step: Step): boolean {
  if (step.kind === 'changeSettings') return step.files.some(({ role }) => role === 'acl');
  return !['prepareHost', 'applyProfile', 'installEngine'].includes(step.kind);
}

function hostRefusals(spec: ClusterSpec, survey: HostSurvey | undefined): Refusal[] {
  if (survey === undefined) return [];
  const memory = memoryProblems({ spec, host: survey.host, memoryBytes: survey.exam.memoryBytes });
  return [...examRefusals({ spec, survey }), ...memory, ...profileRefusals(spec, survey)];
}

function osSteps(world: ApplyWorld, host: string): Step[] {
  const survey = hostSurvey(world, host);
  return survey === undefined ? [] : profileSteps(world.spec, survey);
}

function prepareSteps(world: ApplyWorld, host: string): Step[] {
  const survey = hostSurvey(world, host);
  const why = survey === undefined ? null : whyPrepare(world, survey);
  return why === null ? [] : [{ kind: 'prepareHost', id: `prepareHost/${host}`, host, why }];
}

function whyPrepare({ helperSha256, wantedUnits }: ApplyWorld, { host, record, unit }: HostSurvey): string | null {
  if (record.helperSha256 === null) return 'bare: host helper, folders, record';
  if (record.helperSha256 !== helperSha256) return 'its host helper is of another version';
  if ((wantedUnits[host] ?? unit?.sha256) === unit?.sha256) return null;
  if (unit === null) return "the nodes' unit is missing";
  return "the nodes' unit differs; a node that runs takes it at its next start";
}

function nodeSteps(world: ApplyWorld, node: DeclaredNode, survey: NodeSurvey | undefined): Step[] {
  if (survey === undefined || survey.service.state === 'running') return [];
  const start = startStep(world, node, survey);
  if (start === null) return [];
  const files = differingFiles(world, node, survey);
  const place: Step[] =
    files.length === 0
      ? []
      : [{ kind: 'placeNode', id: `placeNode/${node.name}`, host: node.host, node: node.name, files }];
  return [...place, start];
}

function startStep(world: ApplyWorld, node: DeclaredNode, survey: NodeSurvey): Step | null {
  const step = { kind: 'startNode', id: `startNode/${node.name}`, host: node.host, node: node.name } as const;
  if (survey.service.state !== 'guarded') return { ...step, why: whyStart(survey.service) };
  const empty = emptyStart(world, node, survey.service);
  return 'why' in empty ? { ...step, why: empty.why, empty: 'accepted' } : null;
}

/** A node that may not start without its data, with what to do. */
function heldBack(world: ApplyWorld, node: DeclaredNode, survey: NodeSurvey | undefined): Refusal[] {
  if (survey?.service.state !== 'guarded') return [];
  const empty = emptyStart(world, node, survey.service);
  return 'refusal' in empty ? [empty.refusal] : [];
}

function whyStart(service: Exclude<ServiceState, { state: 'guarded' }>): string {
  switch (service.state) {
    case 'absent':
      return 'new';
    case 'exited':
      return `exited with code ${service.exitCode ?? 'unknown'} at ${service.at}`;
    case 'stopped':
      return 'stopped';
    case 'running':
      return 'running';
    default:
      return service satisfies never;
  }
}

/** Our own node does not let us in: there is nothing that could be done to it, or proven of it. */
function lockedOut({ spec, observation }: ApplyWorld, node: DeclaredNode, survey: NodeSurvey | undefined): Refusal[] {
  const seen = observation.nodes.find(({ name }) => name === node.name);
  if (survey?.service.state !== 'running' || seen?.answered !== false || seen.silence !== 'wrong-secret') return [];
  return [
    {
      host: node.host,
      node: node.name,
      failure: 'NodeAuthFailed',
      what: `${node.name} runs and does not accept the operator's secret (${spec.secrets.operator.current}): ${seen.detail}.`,
      next: 'Give the secret that the node was started with; the user admin can look with ACL LIST. Changing secrets comes with rotation.',
    },
  ];
}

/** The cluster is formed where not all nodes have been members before, or where those that run are not yet what they should be. */
function formationStep(world: ApplyWorld, placement: Placement): { steps: Step[]; refusals: readonly Refusal[] } {
  const { masters, replicas } = placement;
  const step: Step = { kind: 'formCluster', id: 'formCluster', masters, replicas };
  const answered = answeringOurs(world);
  if (answered.length === 0) return { steps: everFormed(world) ? [] : [step], refusals: [] };
  const formation = planFormation({ wanted: { masters, replicas }, observation: world.observation });
  const complete = answered.length === declaredNodes(world.spec).length ? formation.settled : everFormed(world);
  const tuned = answered.some((node) => tuningLeft(node, world.settings).length > 0);
  return { steps: complete && !tuned ? [] : [step], refusals: formation.refusals };
}

/** Members that the spec does not mention are findings of the verdict; a plan does nothing about them. */
function answeringOurs({ observation }: ApplyWorld): AnsweringNode[] {
  return answering(observation).filter(({ declared }) => declared);
}

function hostSurvey({ surveys }: ApplyWorld, name: string): HostSurvey | undefined {
  return surveys.find(({ host }) => host === name);
}
