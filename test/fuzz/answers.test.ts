import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { effectsOf, parseAnswer } from '../../activities/hosts/answer.js';
import { failureOf } from '../../activities/hosts/refusals.js';
import { readSurvey } from '../../activities/hosts/survey.js';
import { ForgeError } from '../../domain/errors.js';
import { examRefusals } from '../../domain/exam.js';
import type { HostSurvey } from '../../domain/survey.js';
import { hostOf, specOf } from '../support/spec.js';
import { damaged, type Damage, damages } from './damaged.js';
import { type Check, holds, notices, SEED } from './seeded.js';

const [DIGEST, OTHER] = ['a'.repeat(64), 'b'.repeat(64)];
const ID = 'c'.repeat(40);
const NOW = 1_795_000_000_000;

/** What a host with two nodes says, one running and one held back. */
const SOUND = [
  ...[
    `clock\t${NOW + 50}`,
    'hostname\th1',
    'os\tDebian GNU/Linux 12',
    'arch\tx86_64',
    'cpus\t4',
    'memory\t8000000\t6000000',
  ],
  ...[
    'disk\t50000000000',
    'privileged\tno',
    'systemd\t252',
    'nofile\t65536',
    'missing\tflock',
    'server\tRedis server v=7.0.15',
  ],
  ...[
    `helper\t${DIGEST}`,
    'cluster\torders\tu1',
    'generation\t7',
    'lease\t7\tns\tw\tr\tapply\tanna\t2026-11-21T10:00:00Z',
  ],
  ...[
    `identity\t7001\t${ID}`,
    `forgotten\t7002\t${'e'.repeat(40)}`,
    'profile\tmachine',
    'setting\tvm.swappiness\t1\tyes',
    'kept\tvm.swappiness\t1',
    'swap\t0',
    'keepable\tyes',
  ],
  ...['node\t7001\trunning\t42\t-\t-', 'method\t7001\tprocess', 'allowed\t7001\t4096', 'data\t7001\tnodes.conf'],
  ...[
    'node\t7002\texited\t43\t1\t2026-11-21T10:00:00Z',
    'guarded\t7002\tno-data\t2026-11-21T10:00:00Z\t0-5460',
    'taken\t7002\t7002\tnginx (pid 9)',
  ],
  ...[`digest\t7001\tredis.conf\t${DIGEST}`, `digest\t7001\tusers.acl\t${OTHER}`, 'end'],
  '',
].join('\n');

const WORDS = [
  ...SOUND.split(/[\n\t]/),
  ...[
    'node',
    'refused',
    'effect',
    'unlimited',
    'lost',
    'stopped',
    '7003',
    '07001',
    '65536',
    '-',
    '16384',
    '5-1',
    ID.slice(1),
    DIGEST.slice(1),
  ],
  ...[
    'effect\tconstructor\tx',
    'generation\t99',
    `identity\t7001\t${ID}x`,
    `identity\t7001\t${'d'.repeat(40)}`,
    `forgotten\t7002\t${ID}x`,
    'node\t7001\tabsent\t-\t-\t-',
    'end\n',
  ],
  ...['Welcome to h1!', 'Last login: \u001b[1mtoday\u001b[0m', 'cluster\tother\tu2', 'root\t\u009b2J'],
];
const inputs = fc.record({
  blows: fc.array(damages(WORDS), { minLength: 1, maxLength: 3 }),
  code: fc.integer({ min: 0, max: 20 }),
});
interface Input {
  readonly blows: readonly Damage[];
  readonly code: number;
}

const spec = specOf({ hosts: [hostOf('h1', { nodes: [{ port: 7001 }, { port: 7002 }] })] });
const [host = hostOf('none')] = spec.hosts;
const context = { spec, host, times: { asked: NOW, answered: NOW + 100 } };

type Read = (stdout: string) => HostSurvey;
const real: Read = (stdout) => readSurvey(stdout, context);

/** What a terminal would act on, line feeds apart. */
const ACTED_ON = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** Every answer is refused in clear words, or read as numbers that can be counted with and words that can be shown. */
function isUnderstood(read: Read): Check<Input> {
  return ({ blows, code }) => {
    const stdout = blows.reduce((before, blow) => damaged(before, blow, '\t'), SOUND);
    const survey = readOrRefused(() => read(stdout));
    if (survey !== null) {
      expect(stdout.split('\n').some((line) => line === 'end' || line.startsWith('end\t'))).toBe(true);
      expectSound(survey);
      expect(survey.nodes.map(({ port }) => port)).toEqual([7001, 7002]);
      for (const refusal of examRefusals({ spec, survey })) expectShowable(Object.values(refusal));
    }
    const failure = failureOf({
      purpose: 'start of h1:7001',
      host: 'h1',
      result: { stdout, stderr: stdout, exitCode: code },
    });
    expectShowable(Object.values(failure.text));
    expectShowable(effectsOf(parseAnswer(stdout), 'h1'));
    expect(effectsOf(parseAnswer(stdout), 'h1').join()).not.toContain('[native code]');
  };
}

function readOrRefused(read: () => HostSurvey): HostSurvey | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    expect(error.type).toBe('CommandFailed');
    expectShowable(Object.values(error.text));
    return null;
  }
}

function expectSound(value: unknown): void {
  if (typeof value === 'number') expect(Number.isSafeInteger(value)).toBe(true);
  else if (typeof value === 'string') expectShowable([value]);
  else if (typeof value === 'object' && value !== null) {
    expectShowable(Object.keys(value));
    for (const inner of Object.values(value)) expectSound(inner);
  }
}

function expectShowable(texts: readonly unknown[]): void {
  for (const text of texts) expect(text).not.toMatch(ACTED_ON);
}

const field = (stdout: string, word: string) =>
  stdout
    .split('\n')
    .find((line) => line.startsWith(`${word}\t`))
    ?.split('\t')[1];

describe(`answers of hosts (seed ${SEED})`, () => {
  it('are sound as these tests write them', () => {
    expect(real(SOUND)).toMatchObject({
      exam: { clockSkewMs: 0, nofileLimit: 65_536 },
      record: { generation: 7, identities: { 7001: ID }, forgotten: ['e'.repeat(40)], lease: { actor: 'anna' } },
      nodes: [{ service: { state: 'running', pid: 42 }, files: { config: DIGEST } }, { service: { state: 'guarded' } }],
    });
  });

  it('are understood or refused, whatever came in between', () => holds(inputs, isUnderstood(real)));

  it.each<[string, Read]>([
    ['the end were not looked for', (stdout) => real(`${stdout}\nend`)],
    [
      'numbers were taken as they come',
      (stdout) => withGeneration(real(sound(stdout, 'generation')), Number(field(stdout, 'generation'))),
    ],
    ['words were taken as they are', (stdout) => withHostname(real(stdout), allWords(stdout))],
    ['a node that is not spoken of were left out', (stdout) => spokenOf(real(sound(stdout, 'node')), stdout)],
  ])('would be noticed if %s', (_, read) => notices(inputs, isUnderstood(read)));
});

/** The text with the first line of this word as it is where nothing is damaged. */
function sound(stdout: string, word: string): string {
  const lines = SOUND.split('\n').filter((line) => line.startsWith(`${word}\t`));
  return [...lines, ...stdout.split('\n').filter((line) => !line.startsWith(`${word}\t`))].join('\n');
}

function withGeneration(survey: HostSurvey, generation: number): HostSurvey {
  return { ...survey, record: { ...survey.record, generation } };
}

/** All words at once: which of them is damaged is a matter of the seed. */
function allWords(stdout: string): string {
  return stdout.replaceAll(/[\n\t]/g, ' ');
}

function withHostname(survey: HostSurvey, hostname: string): HostSurvey {
  return { ...survey, exam: { ...survey.exam, hostname } };
}

function spokenOf(survey: HostSurvey, stdout: string): HostSurvey {
  return { ...survey, nodes: survey.nodes.filter(({ port }) => stdout.includes(`node\t${port}\t`)) };
}
