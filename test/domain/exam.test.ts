import { describe, expect, it } from 'vitest';
import { examRefusals, versionProblem } from '../../domain/exam.js';
import type { HostExam, HostRecord, HostSurvey, NodeSurvey } from '../../domain/survey.js';
import { specOf } from '../support/spec.js';
import { surveyOf } from '../support/survey.js';

const spec = specOf();

const { exam, record: bare, nodes } = surveyOf('h1');
const ours: HostRecord = { ...bare, cluster: { name: spec.name, uid: spec.uid } };
const node = onlyNode(nodes);

function onlyNode([first]: readonly NodeSurvey[]): NodeSurvey {
  if (first === undefined) throw new Error('the survey has no node');
  return first;
}

function refusals(change: Partial<HostExam>, survey: Partial<HostSurvey> = {}) {
  const whole = { host: 'h1', record: bare, unit: null, nodes: [node], ...survey, exam: { ...exam, ...change } };
  return examRefusals({ spec, survey: whole }).map(({ what }) => what);
}

describe('examRefusals', () => {
  it('lets a host pass that has all it needs', () => {
    expect(refusals({})).toEqual([]);
  });

  it.each<[string, Partial<HostExam>, string]>([
    ['missing tools', { missingTools: ['flock', 'setsid'] }, 'Host h1 lacks flock, setsid'],
    ['a root that cannot be', { rootProblem: '/var is not writable' }, '/var is not writable'],
    ['no server', { serverVersion: null }, 'has no program /usr/bin/redis-server'],
    ['another version', { serverVersion: 'Redis server v=6.2.1 sha=0' }, 'another server than redis 7.0'],
    ['another engine', { serverVersion: 'Valkey server v=7.0.1 sha=0' }, 'another server than redis 7.0'],
    ['too few open files', { nofileLimit: 1024 }, '1024 open files; the spec wants 4096'],
    ['a clock that is late', { clockSkewMs: -1500 }, "at least 1.5 s behind this machine's"],
    ['a clock that is early', { clockSkewMs: 61_000 }, "at least 61.0 s ahead of this machine's"],
  ])('refuses %s', (_name, change, what) => {
    expect(refusals(change)).toEqual([expect.stringContaining(what)]);
  });

  it('names everything at once', () => {
    expect(refusals({ missingTools: ['flock'], serverVersion: null, clockSkewMs: 9999 })).toHaveLength(3);
  });

  it('wants room for what new nodes will write, and none for nodes that have their data', () => {
    const diskFreeBytes = 500 * 2 ** 20;
    expect(refusals({ diskFreeBytes })).toEqual([expect.stringContaining('500 MiB of free disk')]);
    expect(refusals({ diskFreeBytes }, { record: ours, nodes: [{ ...node, data: ['dump.rdb'] }] })).toEqual([]);
  });

  it('refuses a host of another cluster', () => {
    const cluster = { name: 'other', uid: 'u2' };
    expect(refusals({}, { record: { ...bare, cluster } })).toEqual([
      `Host h1 belongs to cluster other (uid u2), not to orders (uid ${spec.uid}).`,
    ]);
  });

  it('refuses data of which the record does not know whose it is, and keeps what is ours', () => {
    const holding = [{ ...node, data: ['appendonlydir', 'nodes.conf'] }];
    expect(refusals({}, { nodes: holding })).toEqual([
      expect.stringContaining('h1:6379 holds appendonlydir, nodes.conf'),
    ]);
    expect(refusals({}, { nodes: holding, record: ours })).toEqual([]);
  });

  it('names who has a port', () => {
    expect(refusals({}, { nodes: [{ ...node, portTakenBy: 'nginx (pid 7) on port 6379' }] })).toEqual([
      'The ports of h1:6379 are taken: nginx (pid 7) on port 6379.',
    ]);
  });
});

describe('versionProblem', () => {
  const problem = (wanted: string, says: string) =>
    versionProblem({
      spec: { ...spec, engine: { kind: 'redis', version: wanted } },
      exam: { ...exam, serverVersion: says },
    });

  it('compares part by part', () => {
    expect(problem('7.0', 'Redis server v=7.0.15 sha=0')).toBe(null);
    expect(problem('7.0.15', 'Redis server v=7.0.15 sha=0')).toBe(null);
    expect(problem('7.0.1', 'Redis server v=7.0.15 sha=0')).not.toBe(null);
    expect(problem('7.0.15.1', 'Redis server v=7.0.15 sha=0')).not.toBe(null);
  });

  it('does not guess at words that no server says', () => {
    expect(problem('7.0', 'redis-cli 7.0.15')).not.toBe(null);
  });
});
