import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { osFindings } from '../../domain/judge-os.js';
import { OS_PROFILE, profileChanges, profileToSet } from '../../domain/os-profile.js';
import { describeStep } from '../../domain/plan.js';
import { profileNotes, profileRefusals, profileSteps } from '../../domain/plan-profile.js';
import type { OsSpec } from '../../domain/spec.js';
import type { HostSurvey, OsSurvey } from '../../domain/survey.js';
import { specOf } from '../support/spec.js';
import { surveyOf } from '../support/survey.js';

const wanted = Object.fromEntries(OS_PROFILE.map(({ key, wanted: value }) => [key, value]));

/** A host of its own that is as wanted, but for these values. */
function osOf(values: Readonly<Record<string, string>> = {}, change: Partial<OsSurvey> = {}): OsSurvey {
  return {
    own: 'machine',
    sharing: '',
    settings: Object.fromEntries(
      Object.entries({ ...wanted, ...values }).map(([key, value]) => [key, { value, writable: true }]),
    ),
    kept: wanted,
    keepable: true,
    swapBytes: 0,
    timeService: 'chronyd',
    ...change,
  };
}

const CONTAINER = { own: 'network', sharing: 'a container (docker)', kept: {}, keepable: true } as const;
const UNTOUCHED = { 'vm.swappiness': '60', 'net.core.somaxconn': '4096' };

const survey = (os: OsSurvey, host = 'h1'): HostSurvey => ({ ...surveyOf(host), os });
const specWith = (os: Partial<OsSpec>) => specOf({ os: { profile: 'apply', denied: 'accept', ...os } });

function readOnly(os: OsSurvey): OsSurvey {
  const settings = Object.entries(os.settings).map(([key, { value }]) => [key, { value, writable: false }] as const);
  return { ...os, settings: Object.fromEntries(settings), keepable: false };
}

describe('the profile', () => {
  it('has nothing to do where everything is as wanted', () => {
    expect(profileChanges(osOf())).toEqual([]);
    expect(profileSteps(specWith({}), survey(osOf()))).toEqual([]);
    expect(osFindings(specWith({}), [survey(osOf())])).toEqual([]);
  });

  it.each([
    ['net.core.somaxconn', '65536', 'net.core.somaxconn', '65534'],
    ['net.ipv4.tcp_keepalive_time', '299', 'net.ipv4.tcp_keepalive_time', '301'],
  ])('leaves %s %s, which is better, and changes %s %s', (key, better, _key, worse) => {
    const { [key]: _ours, ...others } = wanted;
    expect(profileChanges(osOf({ [key]: better }, { kept: others }))).toEqual([]);
    expect(profileToSet(osOf({ [key]: better }))).toEqual(others);
    expect(profileChanges(osOf({ [key]: worse })).map(({ setting }) => setting.key)).toEqual([key]);
  });

  it('takes neither 0 nor 2 for as good as the value that it wants exactly', () => {
    expect(profileChanges(osOf({ 'vm.swappiness': '0', 'vm.overcommit_memory': '2' }))).toHaveLength(2);
  });

  it('writes what the next boot would not bring', () => {
    const [step] = profileSteps(specWith({}), survey(osOf({}, { kept: {} })));
    expect(step).toMatchObject({ kind: 'applyProfile', settings: wanted });
    expect(profileChanges(osOf({}, { kept: {}, keepable: false }))).toEqual([]);
  });

  it('says in its step what is changed, from what to what', () => {
    const [step] = profileSteps(
      specWith({}),
      survey(osOf({ 'vm.swappiness': '60' }, { kept: { ...wanted, 'thp.enabled': 'x' } })),
    );
    expect(step === undefined ? '' : describeStep(step)).toBe(
      'OS profile of h1: set vm.swappiness 60 -> 1; write for the next boot: thp.enabled',
    );
  });

  it('wants nothing of a kernel without huge pages', () => {
    const { 'thp.enabled': _enabled, 'thp.defrag': _defrag, ...settings } = osOf().settings;
    expect(profileChanges(osOf({}, { settings }))).toEqual([]);
  });

  it.each(['report', 'off'] as const)('makes no step where the spec says %s', (profile) => {
    expect(profileSteps(specWith({ profile }), survey(osOf(UNTOUCHED)))).toEqual([]);
  });
});

describe('in a container', () => {
  const os = osOf(UNTOUCHED, CONTAINER);

  it('only what is of its network is in the step', () => {
    const [step] = profileSteps(specWith({}), survey(os));
    const settings = step?.kind === 'applyProfile' ? step.settings : {};
    expect(Object.keys(settings).every((key) => key.startsWith('net.'))).toBe(true);
    expect(Object.keys(settings)).toHaveLength(5);
  });

  it("what is the machine's is named once for all hosts that are alike, and is no finding", () => {
    expect(profileNotes(specWith({}), [survey(os, 'h1'), survey(os, 'h2')])).toEqual([
      'OS of h1, h2: vm.swappiness 60 instead of 1; left alone, as it is a container (docker): set it on the machine beneath.',
    ]);
    const codes = osFindings(specWith({}), [survey(os)]).map(({ evidence }) => evidence);
    expect(codes).toEqual(['h1: net.core.somaxconn 4096 instead of at least 65535.']);
  });

  it('what is not its own refuses the operation where the spec does not accept that', () => {
    expect(profileRefusals(specWith({}), survey(os))).toEqual([]);
    const [refusal] = profileRefusals(specWith({ denied: 'refuse' }), survey(os));
    expect(refusal?.what).toContain('(it is a container (docker)): vm.swappiness 60 instead of 1');
    expect(refusal?.next).toContain('os.denied');
  });
});

describe('what the SSH user may not write', () => {
  const os = readOnly(osOf(UNTOUCHED));

  it('is named, makes no step, and is a finding with both values', () => {
    expect(profileSteps(specWith({}), survey(os))).toEqual([]);
    expect(profileNotes(specWith({}), [survey(os)])[0]).toContain('the SSH user may not write it');
    expect(osFindings(specWith({}), [survey(os)])).toMatchObject([
      {
        code: 'OsDrift',
        severity: 'warning',
        host: 'h1',
        evidence: 'h1: net.core.somaxconn 4096 instead of at least 65535.',
      },
      { code: 'OsDrift', evidence: 'h1: vm.swappiness 60 instead of 1.' },
    ]);
    expect(profileRefusals(specWith({ denied: 'refuse' }), survey(os))[0]?.what).toContain('vm.swappiness 60');
  });
});

describe('what is only said', () => {
  it('are swap and a clock that nobody keeps', () => {
    const os = osOf({}, { swapBytes: 2 ** 30, timeService: null });
    expect(profileNotes(specWith({ profile: 'report' }), [survey(os)])).toEqual([
      'OS of h1: 1024 MiB of swap, used last with vm.swappiness 1.',
      'OS of h1: no time service runs (chronyd, ntpd or systemd-timesyncd).',
    ]);
    expect(osFindings(specWith({}), [survey(os)]).map(({ code }) => code)).toEqual(['OsDrift']);
  });

  it('is what differs, where the spec only wants a report', () => {
    const spec = specWith({ profile: 'report' });
    expect(profileNotes(spec, [survey(osOf(UNTOUCHED))])[0]).toContain('only reported');
    expect(osFindings(spec, [survey(osOf(UNTOUCHED))])[0]?.next).toContain('os.profile: apply');
    const lab = osOf(UNTOUCHED, { own: 'nothing', sharing: 'a lab host' });
    expect([profileNotes(spec, [survey(lab)]), osFindings(spec, [survey(lab)])]).toEqual([[], []]);
  });
});

describe('docs/os-profile.md', () => {
  it('has the same settings with the same reasons', () => {
    const page = readFileSync(new URL('../../docs/os-profile.md', import.meta.url), 'utf8');
    const rows = page.split('\n').filter((line) => /^\| `(net|vm|thp)\./.test(line));
    const bound = ({ compare, wanted: value }: (typeof OS_PROFILE)[number]) =>
      compare === 'exactly' ? value : `${compare} ${value}`;
    expect(rows).toEqual(OS_PROFILE.map((row) => `| \`${row.key}\` | ${bound(row)} | ${row.scope} | ${row.why} |`));
  });
});
