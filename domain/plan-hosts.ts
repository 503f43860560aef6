import { type ApplyWorld, differingFiles, nodeSurvey } from './apply-world.js';
import { examRefusals } from './exam.js';
import { memoryProblems } from './memory.js';
import { type DeclaredNode, declaredNodes, stayingHosts, stayingNodes } from './nodes.js';
import type { Refusal, Step } from './plan.js';
import { leavesSomething } from './plan-destroy.js';
import { emptyStart } from './plan-guard.js';
import { installSteps } from './plan-install.js';
import { profileRefusals, profileSteps } from './plan-profile.js';
import type { ClusterSpec } from './spec.js';
import type { HostSurvey, NodeSurvey, ServiceState } from './survey.js';

/** What the hosts and the nodes that stay on them need before the cluster is looked at, host by host. Nodes that leave are not started for it. */
export function hostSteps(world: ApplyWorld): Step[] {
  const staying = stayingHosts(world.spec);
  const nodes = stayingNodes(world.spec);
  return world.spec.hosts.flatMap((host) => {
    if (!staying.includes(host)) return helperForRemoval(world, host.name);
    return [
      ...prepareSteps(world, host.name),
      ...osSteps(world, host.name),
      ...installSteps(world.spec, host, hostSurvey(world, host.name)),
      ...nodes
        .filter((node) => node.host === host.name)
        .flatMap((node) => nodeSteps(world, node, nodeSurvey(world.surveys, node))),
    ];
  });
}

/** What the hosts of nodes that stay do not allow. */
export function hostProblems(world: ApplyWorld): Refusal[] {
  return stayingHosts(world.spec).flatMap(({ name }) => hostRefusals(world.spec, hostSurvey(world, name)));
}

/** Nodes that stay and can neither be asked nor be started. */
export function nodeProblems(world: ApplyWorld): Refusal[] {
  const nodes = stayingNodes(world.spec).map((node) => ({ node, survey: nodeSurvey(world.surveys, node) }));
  return [
    ...nodes.flatMap(({ node, survey }) => lockedOut(world, node, survey)),
    ...nodes.flatMap(({ node, survey }) => heldBack(world, node, survey)),
  ];
}

/** A host that is given back is only brought up to date where something has to be taken away from it. */
function helperForRemoval(world: ApplyWorld, host: string): Step[] {
  const survey = hostSurvey(world, host);
  if (survey?.record.cluster?.uid !== world.spec.uid || survey.record.helperSha256 === null) return [];
  const left = declaredNodes(world.spec).some(
    (node) => node.host === host && leavesSomething(nodeSurvey(world.surveys, node), { folders: 'delete' }),
  );
  return left && survey.record.helperSha256 !== world.helperSha256 ? prepareSteps(world, host) : [];
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

function hostSurvey({ surveys }: ApplyWorld, name: string): HostSurvey | undefined {
  return surveys.find(({ host }) => host === name);
}
