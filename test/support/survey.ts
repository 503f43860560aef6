import type { HostSurvey } from '../../domain/survey.js';
import type { Verdict } from '../../domain/verdict.js';

/** A bare host that has all that is wanted; the test changes its record. */
export function surveyOf(host: string, change: Partial<HostSurvey['record']> = {}): HostSurvey {
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
      rootProblem: null,
      nofileLimit: 1_048_576,
      missingTools: [],
    },
    record: { helperSha256: null, cluster: null, generation: 0, lease: null, identities: {}, ...change },
    nodes: [
      {
        port: 6379,
        files: { config: null, acl: null, service: null },
        service: { state: 'absent' },
        data: [],
        portTakenBy: null,
      },
    ],
  };
}

export function verdictOf(change: Partial<Verdict> = {}): Verdict {
  return { cluster: 'orders', healthy: true, asOf: '2026-01-01T00:00:00.000Z', findings: [], nodes: [], ...change };
}
