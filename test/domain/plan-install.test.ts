import { describe, expect, it } from 'vitest';
import { examRefusals } from '../../domain/exam.js';
import { installSteps } from '../../domain/plan-install.js';
import { describeStep } from '../../domain/plan.js';
import type { ArchiveSpec, ClusterSpec, PackageSpec } from '../../domain/spec.js';
import type { HostExam, NodeSurvey } from '../../domain/survey.js';
import { hostOf, specOf } from '../support/spec.js';
import { surveyOf } from '../support/survey.js';

const archive: ArchiveSpec = {
  method: 'archive',
  source: { from: 'url', url: 'https://example.org/redis.tar.gz?token=x', via: 'worker' },
  sha256: '098ca08bc166'.padEnd(64, '0'),
  server: 'bin/redis-server',
};
const packaged: PackageSpec = {
  method: 'package',
  manager: 'apt',
  name: 'redis-server',
  version: '5:7.0.15-1',
  server: '/usr/bin/redis-server',
};

/** What the plan installs on a host of which the survey says this. */
function planned(install: ClusterSpec['install'], exam: Partial<HostExam>, node: Partial<NodeSurvey> = {}): string[] {
  const survey = surveyOf('h1', {}, node);
  const steps = installSteps(specOf({ install }), hostOf('h1'), { ...survey, exam: { ...survey.exam, ...exam } });
  return steps.map(describeStep);
}

function refused(install: ClusterSpec['install'], exam: Partial<HostExam>): string[] {
  const survey = surveyOf('h1');
  const asked = {
    spec: specOf({ install }),
    survey: { ...survey, exam: { ...survey.exam, privileged: true, ...exam } },
  };
  return examRefusals(asked).map(({ what }) => what);
}

describe('an engine', () => {
  it('that is preinstalled is never installed', () => {
    expect(planned(specOf().install, { serverVersion: null })).toEqual([]);
  });

  it('of an archive is installed where it is not there, and its address is said without what may be secret', () => {
    expect(planned(archive, { serverVersion: null })).toEqual([
      'install redis 7.0 from https://example.org/redis.tar.gz (098ca08bc166) on h1 (not there)',
    ]);
    expect(planned(archive, {})).toEqual([]);
  });

  it('of a package is installed where it is not there, another version, or not held', () => {
    const step = (why: string) => [`install redis 7.0 as apt package redis-server 5:7.0.15-1 on h1 (${why})`];
    expect(planned(packaged, { installedPackage: null })).toEqual(step('not there'));
    expect(planned(packaged, { installedPackage: { version: '5:7.0.14-1', held: true } })).toEqual(
      step('5:7.0.14-1 is there'),
    );
    expect(planned(packaged, { installedPackage: { version: '5:7.0.15-1', held: false } })).toEqual(
      step('there, and not held'),
    );
    expect(planned(packaged, { installedPackage: { version: '5:7.0.15-1', held: true } })).toEqual([]);
  });

  it('is not changed under a node that runs', () => {
    const running = { service: { state: 'running', pid: 7 } } as const;
    expect(planned(packaged, { installedPackage: { version: '5:7.0.14-1', held: true } }, running)).toEqual([]);
  });

  it('that is still to come is no refusal; one that is there and another than the spec wants is', () => {
    expect(refused(archive, { serverVersion: null })).toEqual([]);
    expect(refused(packaged, { serverVersion: null })).toEqual([]);
    expect(refused(packaged, { serverVersion: 'Redis server v=6.0.16 sha=0' })).toEqual([]);
    const there = { version: '5:7.0.15-1', held: true };
    expect(
      refused(packaged, { serverVersion: 'Redis server v=6.0.16 sha=0', installedPackage: there }).join(),
    ).toContain('has another server than redis 7.0');
  });

  it('of a package needs root, and a missing tool is said', () => {
    expect(refused(packaged, { privileged: false }).join()).toContain('cannot install package redis-server');
    expect(refused(archive, { missingTools: ['tar', 'curl|wget'] }).join()).toContain('lacks tar, curl or wget');
  });
});
