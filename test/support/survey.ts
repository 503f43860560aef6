import type { WantedFiles } from '../../domain/apply-world.js';
import type { HostSurvey, NodeSurvey } from '../../domain/survey.js';
import type { Verdict } from '../../domain/verdict.js';
import { idOf } from './observations.js';
import { specOf } from './spec.js';

/** Digest of the host helper that is in place on a host of the sound cluster. */
export const HELPER = 'the helper';

/** Digests of a node's files as the spec renders them. */
export const FILES: WantedFiles = { config: 'the config', acl: 'the users', service: 'the service' };

/** A bare host that has all that is wanted; the test changes its record, or its node. */
export function surveyOf(
  host: string,
  change: Partial<HostSurvey['record']> = {},
  node: Partial<NodeSurvey> = {},
): HostSurvey {
  return {
    host,
    exam: {
      hostname: host,
      os: 'Debian GNU/Linux 12',
      arch: 'x86_64',
      cpus: 2,
      memoryBytes: 8 * 2 ** 30,
      memoryAvailableBytes: 6 * 2 ** 30,
      diskFreeBytes: 50 * 2 ** 30,
      clockSkewMs: 0,
      serverVersion: 'Redis server v=7.0.15',
      installedPackage: null,
      rootProblem: null,
      nofileLimit: 1_048_576,
      privileged: false,
      systemdVersion: 252,
      missingTools: [],
    },
    record: { helperSha256: null, cluster: null, generation: 0, lease: null, identities: {}, ...change },
    unit: null,
    nodes: [
      {
        port: 6379,
        files: { config: null, acl: null, service: null },
        engine: null,
        service: { state: 'absent' },
        method: null,
        nofile: null,
        data: [],
        portTakenBy: null,
        ...node,
      },
    ],
  };
}

/** What the hosts of the sound cluster (observations.ts) say: everything in place, each node running and known as a member. */
export function formedSurveys(): HostSurvey[] {
  const { name, uid, hosts } = specOf();
  return hosts.map((host, i) => {
    const record = { helperSha256: HELPER, cluster: { name, uid }, generation: 1, identities: { 6379: idOf(i + 1) } };
    const service = { state: 'running', pid: 100 + i } as const;
    return surveyOf(host.name, record, { files: FILES, service, data: ['appendonlydir', 'nodes.conf'] });
  });
}

/** The same surveys, with the one of the n-th host (from 1) changed. */
export function withHost(surveys: readonly HostSurvey[], n: number, change: Partial<HostSurvey>): HostSurvey[] {
  return surveys.map((survey, i) => (i === n - 1 ? { ...survey, ...change } : survey));
}

/** The same surveys, with the node of the n-th host (from 1) changed. */
export function withNodeOf(surveys: readonly HostSurvey[], n: number, change: Partial<NodeSurvey>): HostSurvey[] {
  const nodes = surveys[n - 1]?.nodes.map((node) => ({ ...node, ...change })) ?? [];
  return withHost(surveys, n, { nodes });
}

export function verdictOf(change: Partial<Verdict> = {}): Verdict {
  return { cluster: 'orders', healthy: true, asOf: '2026-01-01T00:00:00.000Z', findings: [], nodes: [], ...change };
}
