import { foreignCluster } from './exam.js';
import { declaredNodes, nodeName } from './nodes.js';
import { type AnsweringNode, answering, type Observation, selfOf } from './observation.js';
import type { DataDecision } from './operation.js';
import type { PlanBody, Refusal, Step } from './plan.js';
import type { ClusterSpec } from './spec.js';
import type { HostSurvey } from './survey.js';

export interface DestroyWorld {
  readonly spec: ClusterSpec;
  readonly surveys: readonly HostSurvey[];
  readonly unsurveyed: readonly Refusal[];
  readonly observation: Observation;
  readonly data: DataDecision;
}

/** The steps that take a cluster away again. It refuses while there is data, unless the cluster was named once more. */
export function planDestroy(world: DestroyWorld): PlanBody {
  const { spec, data } = world;
  const surveys = spec.hosts.flatMap(({ name }) => world.surveys.filter(({ host }) => host === name));
  const ours = surveys.filter((survey) => survey.record.cluster?.uid === spec.uid);
  const steps = ours.flatMap((survey) => hostSteps(world, survey));
  return {
    cluster: spec.name,
    uid: spec.uid,
    operation: 'destroy',
    steps,
    refusals: [
      ...world.unsurveyed,
      ...surveys.flatMap((survey) => foreignCluster({ spec, survey })),
      ...(steps.length === 0 ? [] : dataRefusals(world, ours)),
    ],
    drift: [],
    notes: data.folders === 'keep' ? ['Data folders stay on the hosts, with the record that says whose they are.'] : [],
  };
}

function hostSteps({ spec, data }: DestroyWorld, survey: HostSurvey): Step[] {
  const host = survey.host;
  const nodes = declaredNodes(spec).filter((node) => node.host === host);
  const state = (port: number) => survey.nodes.find((node) => node.port === port);
  const stops = nodes
    .filter(({ port }) => state(port)?.service.state === 'running')
    .map(({ name }): Step => ({ kind: 'stopNode', id: `stopNode/${name}`, host, node: name }));
  const removals = nodes
    .filter(({ port }) => leavesSomething(state(port), data))
    .map(({ name }): Step => ({ kind: 'removeNode', id: `removeNode/${name}`, host, node: name, data: data.folders }));
  // Where data is kept, the record stays beside it and says whose it is: that alone is nothing to take away.
  const gone = data.folders === 'keep' && stops.length === 0 && removals.length === 0;
  return gone
    ? []
    : [...stops, ...removals, { kind: 'releaseHost', id: `releaseHost/${host}`, host, data: data.folders }];
}

/** Whether there is anything of a node on its host that would be taken away. */
export function leavesSomething(
  node: HostSurvey['nodes'][number] | undefined,
  data: Pick<DataDecision, 'folders'>,
): boolean {
  if (node === undefined) return false;
  const files = Object.values(node.files).some((digest) => digest !== null);
  const ran = node.service.state !== 'absent' && node.service.state !== 'guarded';
  return files || ran || (data.folders === 'delete' && node.data.length > 0);
}

function dataRefusals({ spec, observation, data }: DestroyWorld, ours: readonly HostSurvey[]): Refusal[] {
  if (data.confirmed) return [];
  const asked = answering(observation);
  const holding = asked
    .filter((node) => node.keys > 0 && !isCopy(node, asked))
    .map((node) => `${node.name}: ${node.keys} keys`);
  const silent = ours.flatMap(({ host, nodes }) =>
    nodes
      .filter((node) => node.data.length > 0 && !asked.some(({ host: h, port }) => h === host && port === node.port))
      .map((node) => `${nodeName(host, node.port)}: not running, its data folder is not empty`),
  );
  const doomed = data.folders === 'delete' && ours.some(({ nodes }) => nodes.some((node) => node.data.length > 0));
  const reasons = [...holding, ...silent, ...(doomed ? ['data folders would be deleted'] : [])];
  if (reasons.length === 0) return [];
  return [
    {
      what: `Cluster ${spec.name} has data (${reasons.join('; ')}).`,
      next: `Say the name once more to take it away all the same: --confirm ${spec.name}`,
    },
  ];
}

/** The keys of a replica are its master's, where that one still answers for them. */
function isCopy(node: AnsweringNode, asked: readonly AnsweringNode[]): boolean {
  const masterId = selfOf(node)?.masterId ?? null;
  return masterId !== null && asked.some(({ id }) => id === masterId);
}
