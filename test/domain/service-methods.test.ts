import { describe, expect, it } from 'vitest';
import type { ApplyWorld } from '../../domain/apply-world.js';
import { examRefusals } from '../../domain/exam.js';
import type { GuardReason } from '../../domain/guard.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { Observation } from '../../domain/observation.js';
import { planApply } from '../../domain/plan-apply.js';
import { planDestroy } from '../../domain/plan-destroy.js';
import { evenShares, type SlotRange } from '../../domain/slots.js';
import { pathText } from '../../domain/spec-path.js';
import { serviceProblems } from '../../domain/spec-rules-service.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { HostSurvey, ServiceState } from '../../domain/survey.js';
import {
  idOf,
  SETTINGS,
  soundObservation,
  withEntryEverywhere,
  withNode,
  withSilent,
} from '../support/observations.js';
import { hostOf, specOf } from '../support/spec.js';
import { FILES, formedSurveys, HELPER, surveyOf, withHost, withNodeOf } from '../support/survey.js';

const SYSTEMD: ClusterSpec['service'] = { method: 'systemd', user: 'redis' };
const spec = specOf({ service: SYSTEMD });
const AT = '2026-11-21T03:00:00Z';
const [SHARE] = evenShares(3);
const SLOTS: readonly SlotRange[] = SHARE === undefined ? [] : [SHARE];

describe('the service method systemd', () => {
  const refusals = (exam: Partial<HostSurvey['exam']>, change: Partial<HostSurvey> = {}) => {
    const survey = surveyOf('h1');
    const whole = { ...survey, ...change, exam: { ...survey.exam, privileged: true, ...exam } };
    return examRefusals({ spec, survey: whole }).map(({ what, next }) => `${what} ${next}`);
  };

  it('is taken by a host that is entered as root and was booted by a systemd that is new enough', () => {
    expect(refusals({ systemdVersion: 243 })).toEqual([]);
  });

  it.each<[string, Partial<HostSurvey['exam']>, RegExp]>([
    ['without root', { privileged: false }, /is not entered as root.*ssh\.sudo: true.*doctor --sudoers/],
    ['without systemd', { systemdVersion: null }, /was not booted by systemd.*service\.method process/],
    ['with an old systemd', { systemdVersion: 242 }, /has systemd 242; the boot guard of the nodes needs 243/],
  ])('is refused %s, with what to do', (_case, exam, text) => {
    expect(refusals(exam)).toEqual([expect.stringMatching(text)]);
  });

  it('is refused where the unit of this name is of another cluster', () => {
    const unit = { sha256: 'x', uid: 'another' };
    expect(refusals({}, { unit })).toEqual([expect.stringContaining('is of another cluster (uid another)')]);
    expect(refusals({}, { unit: { ...unit, uid: spec.uid } })).toEqual([]);
  });

  it('is not changed under a node', () => {
    const [survey] = withNodeOf([surveyOf('h1')], 1, { method: 'process' });
    expect(refusals({}, survey)).toEqual([expect.stringContaining('h1:6379 is kept running by the method process')]);
  });

  it.each([
    ['/home/redis', 'is hidden'],
    ['/tmp/x', 'is hidden'],
    ['/srv/with blank', 'characters'],
    ['/srv/100%', 'characters'],
  ])('does not take the root folder %j', (root) => {
    const problems = serviceProblems(specOf({ service: SYSTEMD, hosts: [hostOf('h1', { root })] }));
    expect(problems.map(({ path }) => pathText(path))).toEqual(['hosts[0].root']);
    expect(serviceProblems(specOf({ hosts: [hostOf('h1', { root })] }))).toEqual([]);
  });

  it('and sudo take only a root folder that a rule can name', () => {
    const sudo = (root: string) => hostOf('h1', { root, ssh: { ...hostOf('h1').ssh, privilege: 'sudo' } });
    expect(serviceProblems(specOf({ hosts: [sudo('/srv/a*')] })).map(({ path }) => pathText(path))).toEqual([
      'hosts[0].root',
    ]);
    expect(serviceProblems(specOf({ hosts: [sudo('/home/redis')] }))).toEqual([]);
  });
});

const formed: ApplyWorld = {
  spec,
  helperSha256: HELPER,
  surveys: formedSurveys().map((survey) => ({
    ...survey,
    exam: { ...survey.exam, privileged: true },
    unit: { sha256: 'unit', uid: spec.uid },
  })),
  unsurveyed: [],
  observation: soundObservation(),
  wantedUnits: Object.fromEntries(spec.hosts.map(({ name }) => [name, 'unit'])),
  wantedFiles: Object.fromEntries(declaredNodes(spec).map(({ name }) => [name, FILES])),
  configAsRunning: {},
  settings: SETTINGS,
  otherSecrets: {},
};

describe('the unit', () => {
  it('is written where it is missing, and where it differs', () => {
    expect(planApply(formed)).toMatchObject({ steps: [], refusals: [] });
    const without = { ...formed, surveys: withHost(formed.surveys, 2, { unit: null }) };
    expect(planApply(without).steps).toMatchObject([{ id: 'prepareHost/h2', why: "the nodes' unit is missing" }]);
    const other = { ...formed, surveys: withHost(formed.surveys, 2, { unit: { sha256: 'old', uid: spec.uid } }) };
    expect(planApply(other).steps).toMatchObject([
      { why: expect.stringContaining("the nodes' unit differs") as string },
    ]);
  });
});

describe('a node that the boot guard holds', () => {
  const guarded = (reason: GuardReason, slots = SLOTS): ServiceState => ({ state: 'guarded', reason, at: AT, slots });
  /** The first node, a master, held; its slots are where `observation` says. */
  const worldOf = (service: ServiceState, observation: Observation, change: Partial<ApplyWorld> = {}): ApplyWorld => ({
    ...formed,
    surveys: withNodeOf(formed.surveys, 1, { service }),
    observation,
    ...change,
  });
  const gone = withSilent(soundObservation(), 1, 'connection-refused');
  /** Its replica has taken over, and everybody knows. */
  const takenOver = (() => {
    const without = withEntryEverywhere(gone, 1, { slots: [], flags: ['master', 'fail'] });
    const promoted = withEntryEverywhere(without, 4, { slots: SLOTS, masterId: null, flags: ['master'] });
    return withNode(promoted, 4, { role: 'master' });
  })();

  it('starts empty where another node has its slots', () => {
    const { steps, refusals } = planApply(worldOf(guarded('no-aof'), takenOver));
    expect(refusals).toEqual([]);
    expect(steps[0]).toEqual({
      ...{ kind: 'startNode', id: 'startNode/h1:6379', host: 'h1', node: 'h1:6379' },
      why: 'starts empty: h4:6379 has its slots',
      empty: 'accepted',
    });
  });

  it('is refused where nobody has them, with all that can be done', () => {
    const { steps, refusals } = planApply(worldOf(guarded('no-rdb'), gone));
    expect(steps.map(({ id }) => id)).not.toContain('startNode/h1:6379');
    expect(refusals).toMatchObject([{ host: 'h1', node: 'h1:6379' }]);
    expect(refusals[0]?.what).toBe(
      `h1:6379 does not start: it was a master with slots, and the dump that it would load is not there (seen at ${AT}).`,
    );
    expect(refusals[0]?.next).toContain('redisforge-host --by-hand NAME node accept-empty 6379');
  });

  it('is refused where only some of its slots are with another node', () => {
    const half: SlotRange[] = [[0, 100]];
    expect(
      planApply(worldOf(guarded('no-aof'), withEntryEverywhere(takenOver, 4, { slots: half }))).refusals,
    ).toHaveLength(1);
  });

  it('is refused where somebody still takes it for the owner', () => {
    const stale = withNode(takenOver, 2, {
      view: soundObservation().nodes.flatMap((node) => (node.answered && node.id === idOf(2) ? node.view : [])),
    });
    expect(planApply(worldOf(guarded('no-aof'), stale)).refusals).toHaveLength(1);
  });

  it('starts empty where the data is a cache', () => {
    const cache = { ...spec, persistence: { ...spec.persistence, data: 'cache' as const } };
    const { steps, refusals } = planApply(worldOf(guarded('no-persistence'), gone, { spec: cache }));
    expect(refusals).toEqual([]);
    expect(steps[0]).toMatchObject({ empty: 'accepted', why: 'starts empty: its data is a cache (persistence.data)' });
  });

  it.each<GuardReason>(['no-data', 'no-nodes-conf', 'other-identity'])(
    'is never started where it does not know who it was (%s): it has to be replaced',
    (reason) => {
      const cache = { ...spec, persistence: { ...spec.persistence, data: 'cache' as const } };
      for (const change of [{}, { spec: cache }]) {
        const { steps, refusals } = planApply(worldOf(guarded(reason, []), takenOver, change));
        expect(steps.map(({ id }) => id)).not.toContain('startNode/h1:6379');
        expect(refusals[0]?.next).toContain('it has to be replaced, which apply does not do');
      }
    },
  );

  it('does not keep a destroy from its end', () => {
    const files = { config: null, acl: null, service: null };
    const surveys = withNodeOf(formed.surveys, 1, { service: guarded('no-data', []), files, data: [] });
    const [survey] = surveys;
    const data = { folders: 'keep', confirmed: true } as const;
    const world = { spec, surveys: survey === undefined ? [] : [survey], unsurveyed: [], observation: gone, data };
    expect(planDestroy(world).steps).toEqual([]);
  });
});
