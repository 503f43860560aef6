import { profileRows, rowText, TIME_SERVICES } from './os-profile.js';
import type { ClusterSpec } from './spec.js';
import type { HostSurvey } from './survey.js';
import type { Finding } from './verdict.js';

/** What of the hosts' own settings is not as the profile wants it. What is not theirs to set is no finding. */
export function osFindings(spec: ClusterSpec, surveys: readonly HostSurvey[]): Finding[] {
  return surveys.flatMap((survey) => [...driftOf(spec, survey), ...clockOf(survey)]);
}

function driftOf({ os: { profile } }: ClusterSpec, { host, os }: HostSurvey): Finding[] {
  if (os === undefined) return [];
  return profileRows(os)
    .filter(({ access, fits }) => access !== 'foreign' && !fits)
    .map((row) => {
      const byApply = profile === 'apply' && row.access === 'free';
      return osDrift(host, {
        evidence: `${host}: ${rowText(row)}.`,
        next: byApply
          ? 'Run `redisforge apply`.'
          : 'Set it on the host (docs/os-profile.md says why and how), or let apply do it: os.profile: apply, as root or with sudo.',
      });
    });
}

function clockOf({ host, os }: HostSurvey): Finding[] {
  if (os === undefined || os.timeService !== null) return [];
  const evidence = `${host}: no time service runs (${TIME_SERVICES}).`;
  return [
    osDrift(host, {
      evidence,
      next: 'Install and start one: clocks that drift apart mislead whoever compares logs and reports.',
    }),
  ];
}

function osDrift(host: string, text: { evidence: string; next: string }): Finding {
  return { code: 'OsDrift', severity: 'warning', host, ...text };
}
