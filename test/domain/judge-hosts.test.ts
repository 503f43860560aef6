import { describe, expect, it } from 'vitest';
import { withHosts } from '../../domain/judge-hosts.js';
import type { HostOutcome, HostSurvey, NodeSurvey } from '../../domain/survey.js';
import { specOf } from '../support/spec.js';
import { surveyOf, verdictOf } from '../support/survey.js';

const spec = specOf();

const seen = (survey: HostSurvey): HostOutcome => ({ host: survey.host, surveyed: true, survey });
const unseen = (host: string): HostOutcome => ({
  host,
  surveyed: false,
  failure: 'HostUnreachable',
  what: `${host} cannot be reached.`,
  next: 'Check it.',
});

function judged(...outcomes: HostOutcome[]) {
  return withHosts(verdictOf(), spec, outcomes);
}

function ofNode(node: Partial<NodeSurvey>) {
  return judged(seen(surveyOf('h1', {}, node)), seen(surveyOf('h2')));
}

describe('a verdict with what the hosts say', () => {
  it('is as it was where they have nothing to tell', () => {
    expect(ofNode({ service: { state: 'running', pid: 1 }, nofile: spec.redis.nofile })).toEqual(verdictOf());
    expect(judged()).toEqual(verdictOf());
  });

  it('is unhealthy where a node is kept from starting, with why and since when', () => {
    const at = '2026-11-21T03:00:00Z';
    const { healthy, findings } = ofNode({ service: { state: 'guarded', reason: 'no-data', at, slots: [] } });
    expect(healthy).toBe(false);
    expect(findings).toMatchObject([{ code: 'NodeGuarded', severity: 'error', host: 'h1', node: 'h1:6379' }]);
    expect(findings[0]?.evidence).toBe(
      `h1:6379 is kept from starting: its data folder is missing, empty or cannot be read (seen at ${at}).`,
    );
    expect(findings[0]?.next).toContain('has to be replaced');
  });

  it('warns of a limit that the machine did not allow', () => {
    expect(ofNode({ nofile: 1024 })).toMatchObject({
      healthy: true,
      findings: [{ code: 'LimitNotReached', severity: 'warning', node: 'h1:6379' }],
    });
  });

  it('warns of each host that cannot be asked, and once where none can', () => {
    expect(judged(seen(surveyOf('h1')), unseen('h2'))).toMatchObject({
      healthy: true,
      findings: [{ code: 'HostUnreachable', severity: 'warning', host: 'h2', evidence: 'h2 cannot be reached.' }],
    });
    const { findings } = judged(unseen('h1'), unseen('h2'));
    expect(findings).toHaveLength(1);
    expect(findings[0]?.evidence).toBe('None of the 2 hosts can be asked over SSH from here: h1 cannot be reached.');
    expect(findings[0]?.next).toContain('--no-hosts');
  });
});
