import { describe, expect, it } from 'vitest';
import type { ApplyWorld } from '../../domain/apply-world.js';
import type { Observation } from '../../domain/observation.js';
import { describeStep } from '../../domain/plan.js';
import { planApply } from '../../domain/plan-apply.js';
import type { HostSurvey, NodeFileRole } from '../../domain/survey.js';
import { idOf, nameOf, SETTINGS, soundObservation, withNode, withSilent } from '../support/observations.js';
import { specOf } from '../support/spec.js';
import { surveyOf } from '../support/survey.js';

const spec = specOf();
const WANTED = { config: 'config', acl: 'acl', service: 'service' };
const sound = soundObservation();

/** A formed cluster that is as the spec wants it; the test changes what it is about. */
function worldOf(change: Partial<ApplyWorld> = {}): ApplyWorld {
  return {
    spec,
    helperSha256: 'helper',
    surveys: spec.hosts.map((_, i) => surveyed(i + 1)),
    unsurveyed: [],
    observation: sound,
    wantedUnits: {},
    wantedFiles: Object.fromEntries(spec.hosts.map((_, i) => [nameOf(i + 1), WANTED])),
    configAsRunning: {},
    settings: SETTINGS,
    otherSecrets: {},
    ...change,
  };
}

function surveyed(n: number, files: Partial<Record<NodeFileRole, string | null>> = {}): HostSurvey {
  const bare = surveyOf(`h${n}`, {
    helperSha256: 'helper',
    cluster: { name: spec.name, uid: spec.uid },
    identities: { 6379: idOf(n) },
  });
  return {
    ...bare,
    nodes: bare.nodes.map((node) => ({
      ...node,
      files: { ...WANTED, ...files },
      service: { state: 'running', pid: 1 },
    })),
  };
}

function withFiles(n: number, files: Partial<Record<NodeFileRole, string | null>>): HostSurvey[] {
  return spec.hosts.map((_, i) => surveyed(i + 1, i + 1 === n ? files : {}));
}

const running = (n: number, settings: Record<string, string>): Observation =>
  withNode(sound, n, { settings: { ...SETTINGS, ...settings } });

const titles = (world: ApplyWorld) => planApply(world).steps.map(describeStep);

describe('the plan for running nodes', () => {
  it('is empty where files and settings are as the spec wants them', () => {
    expect(planApply(worldOf())).toMatchObject({ steps: [], refusals: [], drift: [], notes: [] });
  });

  it('sets exactly the setting that was changed by hand, on that node, with both values, and writes no file', () => {
    const plan = planApply(worldOf({ observation: running(2, { maxmemory: '2000' }) }));
    expect(plan.steps).toEqual([
      {
        kind: 'changeSettings',
        id: 'changeSettings/h2:6379',
        host: 'h2',
        node: 'h2:6379',
        settings: [{ setting: 'maxmemory', running: '2000', wanted: '1000' }],
        files: [],
        atNextStart: [],
      },
    ]);
    expect(plan.steps.map(describeStep)).toEqual(['change settings of h2:6379: maxmemory 2000 → 1000']);
    expect(plan.drift).toEqual([]);
  });

  it('changes replicas before masters, each node in a step of its own', () => {
    const settings = { ...SETTINGS, maxmemory: '900' };
    const plan = planApply(worldOf({ settings }));
    expect(plan.steps.map(({ id }) => id)).toEqual([4, 5, 6, 1, 2, 3].map((n) => `changeSettings/${nameOf(n)}`));
  });

  it('writes the file with the setting, and says nothing of a restart where the file differs in nothing else', () => {
    const world = worldOf({
      observation: running(1, { maxmemory: '900' }),
      surveys: withFiles(1, { config: 'as it runs' }),
      configAsRunning: { [nameOf(1)]: ['other', 'as it runs'] },
    });
    expect(titles(world)).toEqual(['change settings of h1:6379: maxmemory 900 → 1000; write config (update)']);
  });

  it('says of a file what only a restart takes: settings that Redis reads at its start, and lines that nobody can ask for', () => {
    const world = worldOf({
      settings: { ...SETTINGS, 'io-threads': '2' },
      observation: running(1, { maxmemory: '900', 'io-threads': '1' }),
      surveys: withFiles(1, { config: 'another' }),
    });
    expect(titles(world)).toEqual([
      'change settings of h1:6379: maxmemory 900 → 1000; write config (update); ' +
        'only a restart takes io-threads 1 → 2, lines of redis.conf that CONFIG GET does not show',
    ]);
  });

  it('leaves a setting that only a restart takes as drift once the file is written', () => {
    const world = worldOf({
      settings: { ...SETTINGS, 'io-threads': '2' },
      observation: running(1, { 'io-threads': '1' }),
    });
    const plan = planApply(world);
    expect(plan.steps).toEqual([]);
    expect(plan.drift).toMatchObject([{ node: 'h1:6379', setting: 'io-threads', running: '1', wanted: '2' }]);
    expect(plan.drift[0]?.why).toContain('started again');
  });

  it('sets the rights of the users where their file differs, and tries the application’s way afterwards', () => {
    const plan = planApply(worldOf({ surveys: withFiles(3, { acl: 'another' }) }));
    expect(plan.steps.map(describeStep)).toEqual([
      'change settings of h3:6379: rights of its users; write acl (update)',
      'smoke test through the cluster as the application user',
    ]);
  });

  it('writes a file again that is gone from the host', () => {
    const world = worldOf({ surveys: withFiles(3, { acl: null }) });
    expect(titles(world)[0]).toContain('write acl (create)');
  });

  it.each([
    { user: 'app', held: ['user app', 'file acl'], written: ['config'] },
    {
      user: 'redisforge-replication',
      held: ['maxmemory', 'user redisforge-replication', 'file config', 'file acl'],
      written: [],
    },
  ])('changes no secret: with another one for $user, what holds it stays as it is', ({ user, held, written }) => {
    const plan = planApply(
      worldOf({
        observation: running(1, { maxmemory: '900' }),
        surveys: withFiles(1, { config: 'another', acl: 'another' }),
        otherSecrets: { [nameOf(1)]: [user] },
      }),
    );
    expect(plan.drift.map(({ setting }) => setting)).toEqual(held);
    const files = plan.steps.flatMap((step) => (step.kind === 'changeSettings' ? step.files : []));
    expect(files.map(({ role }) => role)).toEqual(written);
    expect(plan.drift.every(({ why }) => why.includes('rotation'))).toBe(true);
  });

  it('leaves a node whose users cannot be read, and one that does not answer', () => {
    const files = { config: 'another', acl: 'another' };
    const unread = planApply(worldOf({ surveys: withFiles(1, files), otherSecrets: { [nameOf(1)]: null } }));
    const silent = planApply(
      worldOf({ surveys: withFiles(1, files), observation: withSilent(sound, 1, 'busy-script') }),
    );
    for (const plan of [unread, silent]) {
      expect(plan.steps).toEqual([]);
      expect(plan.drift.map(({ setting }) => setting)).toEqual(['file config', 'file acl']);
    }
  });

  it('gives a running node no other program', () => {
    const plan = planApply(worldOf({ surveys: withFiles(1, { service: 'another' }) }));
    expect(plan.steps).toEqual([]);
    expect(plan.drift).toMatchObject([{ setting: 'file service' }]);
  });

  it('refuses with the numbers to lower limits below what is in use', () => {
    const observation = withNode(running(2, { maxmemory: '2000' }), 2, { usedMemoryBytes: 1500 });
    const plan = planApply(worldOf({ observation }));
    expect(plan.refusals).toMatchObject([{ host: 'h2', node: 'h2:6379' }]);
    expect(plan.refusals[0]?.what).toMatch(/uses 1500 bytes.*maxmemory 1000 \(now 2000\)/);
  });

  it('says that keys go where lowering memory evicts them, in words that are the same a moment later', () => {
    const cache = specOf({ redis: { ...spec.redis, maxmemoryPolicy: 'allkeys-lru' } });
    const using = (usedMemoryBytes: number) =>
      planApply(
        worldOf({ spec: cache, observation: withNode(running(2, { maxmemory: '2000' }), 2, { usedMemoryBytes }) }),
      );
    expect(using(1500).refusals).toEqual([]);
    expect(using(1500).notes.join()).toMatch(/^h2:6379 .*evicts keys/);
    expect(using(1500)).toEqual(using(1501));
    expect(using(900).notes).toEqual([]);
  });

  it('leaves what a killed formation left to the forming', () => {
    const plan = planApply(worldOf({ observation: running(2, { 'cluster-node-timeout': '500' }) }));
    expect(plan.steps.map(({ kind }) => kind)).toEqual(['formCluster', 'smokeTest']);
  });
});
