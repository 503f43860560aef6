import { describe, expect, it } from 'vitest';
import { effectsOf, parseAnswer } from '../../../activities/hosts/answer.js';
import { readSurvey } from '../../../activities/hosts/survey.js';
import { hostOf, specOf } from '../../support/spec.js';

const HOST = hostOf('h1');
const LINES = [
  ...[
    'clock\t1000',
    'hostname\th1',
    'os\tDebian',
    'arch\tx86_64',
    'cpus\t2',
    'memory\t100\t50',
    'disk\t100',
    'nofile\t1024',
  ],
  ...['helper\t-', 'generation\t0', 'swap\t0', 'node\t6379\tabsent\t-\t-\t-', 'end', ''],
];

function surveyWith(change: (lines: readonly string[]) => readonly string[]) {
  const context = { spec: specOf({ hosts: [HOST] }), host: HOST, times: { asked: 900, answered: 1100 } };
  return readSurvey(change(LINES).join('\n'), context);
}

const replaced = (line: string) => (lines: readonly string[]) =>
  lines.map((one) => (one.split('\t')[0] === line.split('\t')[0] ? line : one));

describe('the survey of a host', () => {
  it('is read', () => {
    expect(surveyWith((lines) => lines)).toMatchObject({
      exam: { cpus: 2, clockSkewMs: 0 },
      nodes: [{ service: { state: 'absent' } }],
    });
    expect(surveyWith((lines) => ['Welcome!', ...lines]).record.generation).toBe(0);
  });

  it.each([
    'generation\tmany',
    'generation\t1e3',
    'clock\tnow',
    'disk\t',
    'helper\tx',
    'identity\t7001\tx',
    'node\t6379\tdancing',
  ])('is refused with %j', (line) => {
    const lines = (all: readonly string[]) =>
      all.some((one) => one.startsWith(line.split('\t')[0] ?? '')) ? replaced(line)(all) : [line, ...all];
    expect(() => surveyWith(lines)).toThrow('What h1 said for the survey of h1 cannot be understood');
  });

  it('is refused where it says two things, or nothing of a node', () => {
    expect(() => surveyWith((lines) => ['generation\t9', ...lines])).toThrow('said twice');
    expect(() => surveyWith((lines) => lines.filter((line) => !line.startsWith('node')))).toThrow(
      'cannot be understood',
    );
  });

  it('shows what a terminal would act on', () => {
    expect(surveyWith(replaced('hostname\th1\u001b[2J')).exam.hostname).toBe('h1\\u001b[2J');
  });
});

describe('effects', () => {
  it('of an unknown name are said by it, whatever it is', () => {
    expect(effectsOf(parseAnswer('effect\tconstructor\tx'), 'h1')).toEqual(['h1: constructor x']);
  });
});
