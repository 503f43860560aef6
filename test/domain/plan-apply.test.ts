import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { declaredNodes } from '../../domain/nodes.js';
import { place } from '../../domain/placement.js';
import { canonicalJson, type PlanBody, type Refusal } from '../../domain/plan.js';
import type { ApplyWorld } from '../../domain/apply-world.js';
import { planApply } from '../../domain/plan-apply.js';
import type { HostSurvey, ServiceState } from '../../domain/survey.js';
import {
  SETTINGS,
  silentObservation,
  soundObservation,
  withEntryEverywhere,
  withExtraEntry,
  withNode,
  withSilent,
  withStranger,
} from '../support/observations.js';
import { hostOf, specOf } from '../support/spec.js';
import { FILES, formedSurveys, HELPER, surveyOf, withHost, withNodeOf } from '../support/survey.js';

const spec = specOf();
const HOSTS = spec.hosts.map(({ name }) => name);
const { masters, replicas } = place(spec);
const EXITED: ServiceState = { state: 'exited', exitCode: 1, at: '2026-01-01T00:00:00Z' };
const EVERYTHING_MISSING = [
  { role: 'config', action: 'create' },
  { role: 'acl', action: 'create' },
  { role: 'service', action: 'create' },
];

const sound = soundObservation();

/** The cluster as `apply` leaves it. */
const formed: ApplyWorld = {
  spec,
  helperSha256: HELPER,
  surveys: formedSurveys(),
  unsurveyed: [],
  observation: sound,
  wantedUnits: {},
  wantedFiles: Object.fromEntries(declaredNodes(spec).map(({ name }) => [name, FILES])),
  configAsRunning: {},
  settings: SETTINGS,
  otherSecrets: {},
};

const bare: ApplyWorld = { ...formed, surveys: HOSTS.map((host) => surveyOf(host)), observation: silentObservation() };

/** The record of a host of the cluster. */
const { record: ours } = surveyOf('h1', formed.surveys[0]?.record);

function stepIds(world: ApplyWorld): string[] {
  return planApply(world).steps.map(({ id }) => id);
}

describe('the steps of an apply', () => {
  it('are, on six bare hosts: prepare, place and start on each, form the cluster, try it', () => {
    const plan = planApply(bare);
    expect(plan.steps).toEqual([
      ...HOSTS.flatMap((host) => [
        { kind: 'prepareHost', id: `prepareHost/${host}`, host, why: 'bare: host helper, folders, record' },
        { kind: 'placeNode', id: `placeNode/${host}:6379`, host, node: `${host}:6379`, files: EVERYTHING_MISSING },
        { kind: 'startNode', id: `startNode/${host}:6379`, host, node: `${host}:6379`, why: 'new' },
      ]),
      { kind: 'formCluster', id: 'formCluster', masters, replicas },
      { kind: 'smokeTest', id: 'smokeTest' },
    ]);
    expect(plan).toMatchObject({ cluster: 'orders', uid: spec.uid, operation: 'apply', refusals: [], drift: [] });
  });

  it('take the nodes of one host one after the other', () => {
    const hosts = HOSTS.slice(0, 3).map((name, i) =>
      hostOf(name, { zone: `z${i}`, nodes: [{ port: 6379 }, { port: 6380 }] }),
    );
    const surveys = hosts.map(({ name }) => {
      const survey = surveyOf(name);
      return { ...survey, nodes: [6379, 6380].flatMap((port) => survey.nodes.map((node) => ({ ...node, port }))) };
    });
    const two = specOf({ hosts });
    const wantedFiles = Object.fromEntries(declaredNodes(two).map(({ name }) => [name, FILES]));
    const ids = stepIds({ ...bare, spec: two, surveys, wantedFiles, observation: { ...sound, nodes: [] } });
    expect(ids.slice(0, 6)).toEqual([
      'prepareHost/h1',
      'placeNode/h1:6379',
      'startNode/h1:6379',
      'placeNode/h1:6380',
      'startNode/h1:6380',
      'prepareHost/h2',
    ]);
    expect(ids).toHaveLength(3 * 5 + 2);
  });

  it('are none where all is as the spec declares it', () => {
    expect(planApply(formed)).toMatchObject({ steps: [], refusals: [], drift: [] });
  });

  it('start the one node that has exited, and say with what it did', () => {
    const observation = withSilent(sound, 2, 'connection-refused');
    const surveys = withNodeOf(formed.surveys, 2, { service: EXITED });
    expect(planApply({ ...formed, surveys, observation })).toMatchObject({
      steps: [{ id: 'startNode/h2:6379', why: 'exited with code 1 at 2026-01-01T00:00:00Z' }, { id: 'smokeTest' }],
      refusals: [],
    });
  });

  it.each<[ServiceState, string]>([
    [{ ...EXITED, exitCode: null }, 'exited with code unknown at 2026-01-01T00:00:00Z'],
    [{ state: 'stopped' }, 'stopped'],
  ])('say why a node is started: %o', (service, why) => {
    const surveys = withNodeOf(formed.surveys, 2, { service });
    const [start] = planApply({ ...formed, surveys, observation: withSilent(sound, 2, 'connection-refused') }).steps;
    expect(start).toMatchObject({ kind: 'startNode', why });
  });

  it('write only those files of a node to be started that differ', () => {
    const service: ServiceState = { state: 'stopped' };
    const surveys = withNodeOf(formed.surveys, 2, { service, files: { ...FILES, config: 'old', acl: null } });
    const { steps } = planApply({ ...formed, surveys, observation: withSilent(sound, 2, 'connection-refused') });
    expect(steps.map(({ id }) => id)).toEqual(['placeNode/h2:6379', 'startNode/h2:6379', 'smokeTest']);
    expect(steps[0]).toMatchObject({
      files: [
        { role: 'config', action: 'update' },
        { role: 'acl', action: 'create' },
      ],
    });
  });

  it('start all nodes of a cluster that was formed before, and do not form it again', () => {
    const surveys = HOSTS.reduce((all, _, i) => withNodeOf(all, i + 1, { service: EXITED }), formed.surveys);
    expect(stepIds({ ...formed, surveys, observation: silentObservation() })).toEqual([
      ...HOSTS.map((host) => `startNode/${host}:6379`),
      'smokeTest',
    ]);
  });

  it('bring the host helper up to date without touching a node', () => {
    const surveys = withHost(formed.surveys, 4, { record: { ...ours, helperSha256: 'an older one' } });
    const plan = planApply({ ...formed, surveys });
    expect(plan.steps).toEqual([
      { kind: 'prepareHost', id: 'prepareHost/h4', host: 'h4', why: 'its host helper is of another version' },
    ]);
  });

  it.each<[string, Partial<ApplyWorld>]>([
    [
      'a member replicates nobody',
      { observation: withEntryEverywhere(sound, 5, { masterId: null, flags: ['master'] }) },
    ],
    ['slots have no owner', { observation: withEntryEverywhere(sound, 1, { slots: [[0, 99]] }) }],
    [
      'the records do not know all nodes, and one of them does not answer',
      {
        observation: withSilent(sound, 2, 'timeout'),
        surveys: withHost(formed.surveys, 3, { record: { ...ours, identities: {} } }),
      },
    ],
    [
      'a killed formation left its tuning behind',
      { observation: withNode(sound, 3, { settings: { ...SETTINGS, 'cluster-node-timeout': '500' } }) },
    ],
  ])('form the cluster to its end where %s', (_, change) => {
    const { steps, refusals, drift } = planApply({ ...formed, ...change });
    expect(steps).toEqual([
      { kind: 'formCluster', id: 'formCluster', masters, replicas },
      { kind: 'smokeTest', id: 'smokeTest' },
    ]);
    expect([refusals, drift]).toEqual([[], []]);
  });
});

describe('the drift that a plan of apply shows', () => {
  it('leaves members alone that the spec does not declare', () => {
    const settings = { ...SETTINGS, maxmemory: '2000', 'cluster-node-timeout': '500' };
    const plan = planApply({ ...formed, observation: withStranger(sound, { settings }) });
    expect(plan).toMatchObject({ steps: [], drift: [], refusals: [] });
  });
});

describe('an apply is refused, with where and what to do', () => {
  const examined = (change: Partial<HostSurvey['exam']>) => {
    const { exam } = surveyOf('h2');
    return { surveys: withHost(formed.surveys, 2, { exam: { ...exam, ...change } }) };
  };
  const unreachable: Refusal = {
    host: 'h2',
    failure: 'HostUnreachable',
    what: 'Host h2 does not answer.',
    next: 'Start it.',
  };

  it.each<[string, Partial<ApplyWorld>, { about: Partial<Refusal>; what: RegExp }]>([
    [
      'on a host of another cluster',
      { surveys: withHost(formed.surveys, 2, { record: { ...ours, cluster: { name: 'stock', uid: 'u2' } } }) },
      { about: { host: 'h2' }, what: /^Host h2 belongs to cluster stock \(uid u2\), not to orders/ },
    ],
    [
      'where a host could not be asked',
      { surveys: formed.surveys.filter(({ host }) => host !== 'h2'), unsurveyed: [unreachable] },
      { about: { host: 'h2', failure: 'HostUnreachable' }, what: /^Host h2 does not answer/ },
    ],
    [
      'where somebody has the port',
      { surveys: withNodeOf(formed.surveys, 2, { portTakenBy: 'nginx on port 6379' }) },
      { about: { host: 'h2', node: 'h2:6379' }, what: /h2:6379 are taken: nginx on port 6379/ },
    ],
    [
      'where memory is too little',
      examined({ memoryBytes: 200 * 2 ** 20 }),
      { about: { host: 'h2' }, what: /^Host h2 has 200 MiB of memory/ },
    ],
    [
      'where a running node does not take our secret',
      { observation: withSilent(sound, 2, 'wrong-secret') },
      { about: { host: 'h2', node: 'h2:6379', failure: 'NodeAuthFailed' }, what: /h2:6379 .*secret \(env:OPERATOR\)/ },
    ],
    [
      'where a node belongs to somebody else’s cluster',
      {
        observation: withExtraEntry(withEntryEverywhere(sound, 5, { masterId: null }), [2], {
          id: 'f'.repeat(40),
          address: '10.0.9.9',
          flags: ['master'],
          slots: [],
        }),
      },
      { about: { node: 'h2:6379' }, what: /h2:6379 .* belongs to a cluster with 10\.0\.9\.9:6379/ },
    ],
    [
      'where the hosts cannot hold the shape',
      { spec: specOf({ shape: { masters: 4, replicasPerMaster: 1 } }) },
      { about: {}, what: /^4 masters with 1 replicas each are 8 nodes, and the hosts declare 6/ },
    ],
  ])('%s', (_, change, { about, what }) => {
    const { refusals } = planApply({ ...formed, ...change });
    expect(refusals[0]).toMatchObject({ ...about, what: expect.stringMatching(what) as string });
    expect(refusals[0]?.next).toMatch(/\w+.*\.$/);
  });

  it('but not because a node that is to be started let nobody in before', () => {
    const surveys = withNodeOf(formed.surveys, 2, { service: EXITED });
    expect(planApply({ ...formed, surveys, observation: withSilent(sound, 2, 'wrong-secret') }).refusals).toEqual([]);
  });

  it('for all reasons at once', () => {
    const { surveys: lacking } = examined({ missingTools: ['flock'] });
    const surveys = withNodeOf(lacking, 4, { portTakenBy: 'nginx on port 6379' });
    const observation = withSilent(sound, 3, 'wrong-secret');
    const { refusals } = planApply({ ...formed, surveys, observation });
    expect(refusals.map(({ host }) => host)).toEqual(['h2', 'h4', 'h3']);
  });
});

describe('in any world, a plan of apply', () => {
  const service = fc.constantFrom<ServiceState>({ state: 'absent' }, { state: 'running', pid: 7 }, EXITED, {
    state: 'stopped',
  });
  const digest = (wanted: string) => fc.constantFrom(wanted, 'another', null);
  const anyHost = fc.record({
    surveyed: fc.boolean(),
    helperSha256: digest(HELPER),
    member: fc.boolean(),
    files: fc.record({ config: digest(FILES.config), acl: digest(FILES.acl), service: digest(FILES.service) }),
    service,
    data: fc.constantFrom([], ['dump.rdb']),
    silent: fc.option(fc.constantFrom('connection-refused' as const, 'wrong-secret' as const)),
  });
  const anyWorld: fc.Arbitrary<ApplyWorld> = fc
    .record({ hosts: fc.array(anyHost, { minLength: 6, maxLength: 6 }), stranger: fc.boolean() })
    .map(({ hosts, stranger }) => {
      const surveys = hosts.flatMap(({ surveyed, helperSha256, member, silent: _, ...node }, i) => {
        const record = { helperSha256, identities: member ? { 6379: 'known' } : {} };
        return surveyed ? [surveyOf(HOSTS[i] ?? '', record, node)] : [];
      });
      const observation = hosts.reduce(
        (seen, { silent }, i) => (silent === null ? seen : withSilent(seen, i + 1, silent)),
        sound,
      );
      return {
        ...formed,
        surveys: stranger ? [surveyOf('elsewhere'), ...surveys] : surveys,
        observation: stranger ? withStranger(observation) : observation,
      };
    });

  const always = (holds: (world: ApplyWorld, plan: PlanBody) => void) =>
    fc.assert(
      fc.property(anyWorld, (world) => holds(world, planApply(world))),
      { numRuns: 50 },
    );

  it('has no two steps with the same ID', () => {
    always((_, { steps }) => {
      expect(new Set(steps.map(({ id }) => id)).size).toBe(steps.length);
    });
  });

  it('touches declared and surveyed hosts only', () => {
    always(({ surveys }, { steps }) => {
      const known = surveys.map(({ host }) => host).filter((host) => HOSTS.includes(host));
      expect(known).toEqual(expect.arrayContaining(steps.flatMap((step) => ('host' in step ? [step.host] : []))));
    });
  });

  it('ends with the smoke test where a node is touched', () => {
    always((_, { steps }) => {
      const touched = steps.some(({ kind }) => kind !== 'prepareHost');
      expect(steps.at(-1)?.kind === 'smokeTest').toBe(touched);
    });
  });

  it('is the same for the same world, in whatever order the hosts have answered', () => {
    always((world, plan) => {
      expect(planApply(structuredClone(world))).toEqual(plan);
      const reversed = planApply({ ...world, surveys: world.surveys.toReversed() });
      expect(canonicalJson(reversed)).toBe(canonicalJson(plan));
    });
  });
});
