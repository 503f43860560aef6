import { describe, expect, it } from 'vitest';
import {
  portsToExamine,
  type ReachFailure,
  reachRefusals,
  reachRemarks,
  type ReachReport,
  reachWord,
} from '../../domain/reach.js';
import type { HostOutcome, HostSurvey } from '../../domain/survey.js';
import { specOf } from '../support/spec.js';
import { formedSurveys, surveyOf, withHost, withNodeOf } from '../support/survey.js';

const spec = specOf();
const bare = spec.hosts.map(({ name }) => surveyOf(name));
const outcomes = (surveys: readonly HostSurvey[]): HostOutcome[] =>
  surveys.map((survey) => ({ host: survey.host, surveyed: true, survey }));

const found = (change: Partial<ReachReport>): ReachReport => ({ failures: [], deaf: [], unexamined: [], ...change });

function failures(from: readonly string[], to: string, change: Partial<ReachFailure> = {}): ReachFailure[] {
  return from.flatMap((one) =>
    [6379, 16379].map((port) => ({ from: one, to, port, outcome: 'silent' as const, detail: '', ...change })),
  );
}

const refusalsOf = (some: readonly ReachFailure[]) =>
  reachRefusals({ spec, surveys: bare, reach: found({ failures: some }) }).map(({ what }) => what);

describe('the exam of the ports', () => {
  it('has every host listen on both ports of nodes that do not run', () => {
    const hosts = portsToExamine(spec, outcomes(bare));
    expect(hosts).toHaveLength(6);
    expect(hosts[0]).toEqual({ host: 'h1', listen: [6379, 16379], running: [] });
  });

  it('is not made where nothing would be started or formed', () => {
    expect(portsToExamine(spec, outcomes(formedSurveys()))).toEqual([]);
  });

  it('takes running nodes as their own listeners, and leaves out ports that somebody else has', () => {
    const stopped = withNodeOf(formedSurveys(), 2, { service: { state: 'stopped' } });
    expect(portsToExamine(spec, outcomes(stopped)).slice(0, 2)).toEqual([
      { host: 'h1', listen: [], running: [6379, 16379] },
      { host: 'h2', listen: [6379, 16379], running: [] },
    ]);
    const taken = withNodeOf(bare, 1, { portTakenBy: 'nc (pid 7) on port 6379' });
    expect(portsToExamine(spec, outcomes(taken))[0]).toEqual({ host: 'h1', listen: [], running: [] });
  });

  it('is made where all run and nobody knows them as members yet', () => {
    const unformed = formedSurveys().map((survey) => ({ ...survey, record: { ...survey.record, identities: {} } }));
    expect(portsToExamine(spec, outcomes(unformed))).toHaveLength(6);
  });

  it('goes on without a host that could not be surveyed, and needs two', () => {
    const lost = (host: string): HostOutcome => ({
      host,
      surveyed: false,
      failure: 'HostUnreachable',
      what: '',
      next: '',
    });
    const rest = outcomes(bare).slice(1);
    expect(portsToExamine(spec, [lost('h1'), ...rest]).map(({ host }) => host)).toEqual(['h2', 'h3', 'h4', 'h5', 'h6']);
    expect(portsToExamine(spec, [...['h1', 'h2', 'h3', 'h4', 'h5'].map(lost), ...outcomes(bare).slice(5)])).toEqual([]);
  });
});

describe('a blocked pair', () => {
  it('is named with its direction, both hosts, and both ports', () => {
    expect(refusalsOf(failures(['h1'], 'h2'))).toEqual([
      'h1 (10.0.0.1) cannot reach h2 at 10.0.0.2:6379 and 10.0.0.2:16379 (cluster bus): no answer, as where a firewall drops packets.',
    ]);
    expect(refusalsOf([...failures(['h1'], 'h2'), ...failures(['h2'], 'h1')])).toHaveLength(2);
  });

  it('is said in the same words in whatever order the hosts have answered', () => {
    const some = [...failures(['h10', 'h2', 'h3'], 'h1'), ...failures(['h1'], 'h2')];
    expect(refusalsOf([...some].reverse()).sort()).toEqual(refusalsOf(some).sort());
  });

  it('stands together with others that are alike, and apart from those that are not', () => {
    const blocked = [
      ...failures(['h1', 'h3'], 'h2'),
      ...failures(['h4'], 'h2', { outcome: 'refused' }),
      ...failures(['h5'], 'h2').slice(1),
    ];
    const said = refusalsOf(blocked);
    expect(said).toHaveLength(3);
    expect(said[0]).toContain('h1 (10.0.0.1), h3 (10.0.0.3) cannot reach h2');
    expect(said[1]).toContain('refused, though h2 listens there');
    expect(said[2]).toContain('h5 (10.0.0.5) cannot reach h2 at 10.0.0.2:16379 (cluster bus): no answer');
  });

  it.each<[Partial<ReachFailure>, string]>([
    [{ outcome: 'failed', detail: 'No route to host' }, ': No route to host.'],
    [{ outcome: 'stranger', detail: `said: ${reachWord(spec, 'h5')} ` }, 'h5 answered in its place.'],
    [{ outcome: 'stranger', detail: 'hung up without a word' }, 'something else answered there (it hung up'],
  ])('says what happened: %j', (change, text) => {
    expect(refusalsOf(failures(['h1'], 'h2', change))[0]).toContain(text);
  });

  it('does not keep a member of a formed cluster from coming back: then it is a remark', () => {
    const surveys = withNodeOf(formedSurveys(), 3, { service: { state: 'stopped' } });
    const world = { spec, surveys, reach: found({ failures: failures(['h1'], 'h2') }) };
    expect(reachRefusals(world)).toEqual([]);
    expect(reachRemarks(world)[0]).toContain('h1 (10.0.0.1) cannot reach h2');
  });
});

describe('a host', () => {
  it('that cannot listen where its node should is refused in any case', () => {
    const deaf = [{ host: 'h2', port: 6379, why: 'Cannot assign requested address' }];
    for (const surveys of [bare, formedSurveys()]) {
      const [refusal] = reachRefusals({ spec, surveys, reach: found({ deaf }) });
      expect(refusal).toMatchObject({ host: 'h2' });
      expect(refusal?.what).toBe('Host h2 cannot listen on 10.0.0.2:6379: Cannot assign requested address.');
    }
  });

  it('that has no program to take part with is a remark, no refusal', () => {
    const reach = found({ unexamined: [{ host: 'h3', why: 'it has neither perl nor python3' }] });
    expect(reachRefusals({ spec, surveys: bare, reach })).toEqual([]);
    expect(reachRemarks({ spec, surveys: bare, reach })).toEqual([
      'The ports between h3 and the other hosts could not be examined: it has neither perl nor python3.',
    ]);
  });

  it('with an IPv6 address is named so that address and port can be told apart', () => {
    const six = { ...spec, hosts: spec.hosts.map((host) => ({ ...host, address: 'fd00::1' })) };
    const surveys = withHost(bare, 1, {});
    expect(
      reachRefusals({ spec: six, surveys, reach: found({ failures: failures(['h1'], 'h2') }) })[0]?.what,
    ).toContain('[fd00::1]:6379');
  });
});
