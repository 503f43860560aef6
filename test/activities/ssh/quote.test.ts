import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSshPool, type SshPool } from '../../../activities/ssh/pool.js';
import { quoteArgv } from '../../../activities/ssh/quote.js';
import type { SshAccess } from '../../../domain/spec.js';
import { startLab, type TestLab } from '../../support/lab.js';
import { accessTo } from '../hosts/lab-hosts.js';

const everyByte = Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1));

/** Values that mean something to a shell, or look as if they did. */
const HOSTILE = [
  '',
  ' ',
  "'",
  '"',
  `'"'"'`,
  "it's",
  '\\',
  "\\'",
  '$(echo caught)',
  '`echo caught`',
  '$HOME',
  '${HOME}',
  '~',
  '~root',
  '*',
  '?',
  '[a-z]',
  '{a,b}',
  '!!',
  '#',
  '; echo caught',
  '& echo caught',
  '| cat /etc/passwd',
  '> /dev/null',
  'a\nb',
  '\n',
  'a\n\n',
  '\r\n',
  '\t',
  '-n',
  '--',
  '-e\\c',
  'a=b',
  'żółć 日本語 🦀',
  everyByte.join(''),
  ...everyByte,
];

type Quote = (argv: readonly string[]) => string;
type Run = (commandLine: string) => Promise<string>;

/** Each argument comes out between marks that no argument holds, so that a lost or split one shows. */
const PRINT_ARGUMENTS = ['sh', '-c', 'for a; do printf "<%s>\\036" "$a"; done', 'sh'];
const marked = (values: readonly string[]) => values.map((value) => `<${value}>\x1e`).join('');

/** The checks that every quoting function has to pass, wherever its command line is run. */
async function carriesEverything(quote: Quote, run: Run): Promise<boolean> {
  const alone = await Promise.all(
    HOSTILE.slice(0, 40).map(async (value) => (await run(quote([...PRINT_ARGUMENTS, value]))) === marked([value])),
  );
  const together = (await run(quote([...PRINT_ARGUMENTS, ...HOSTILE]))) === marked(HOSTILE);
  return together && alone.every(Boolean);
}

const inShell: Run = async (line) => (await promisify(execFile)('sh', ['-c', line])).stdout;

/** The function's own source with one thing changed: what these checks have to notice. */
async function mutant(from: string, to: string): Promise<Quote> {
  const source = await readFile(new URL('../../../activities/ssh/quote.ts', import.meta.url), 'utf8');
  expect(source).toContain(from);
  const script = source
    .replace(from, () => to)
    .replace('export function quoteArgv(argv: readonly string[]): string', 'export function quoteArgv(argv)')
    .replace('function quote(argument: string): string', 'function quote(argument)');
  const module = (await import(`data:text/javascript,${encodeURIComponent(script)}`)) as { quoteArgv: Quote };
  return module.quoteArgv;
}

/** A command line that is broken may also fail: that is noticed too. */
const notices = async (quote: Quote, run: Run) => !(await carriesEverything(quote, run).catch(() => false));

describe('quoteArgv in a shell', () => {
  it('carries every argument as it is', async () => {
    expect(await carriesEverything(quoteArgv, inShell)).toBe(true);
  });

  it('would be caught without quoting', async () => {
    expect(await notices(await mutant("`'${argument.replaceAll(\"'\", `'\\\\''`)}'`", 'argument'), inShell)).toBe(true);
  });

  it('would be caught without care for single quotes', async () => {
    expect(await notices(await mutant(".replaceAll(\"'\", `'\\\\''`)", ''), inShell)).toBe(true);
  });

  it('would be caught if it left out empty arguments', async () => {
    const leaving = await mutant('argv.map(quote)', "argv.filter((a) => a !== '').map(quote)");
    expect(await notices(leaving, inShell)).toBe(true);
  });

  it('refuses what no argument vector can hold', () => {
    expect(() => quoteArgv(['echo', 'a\0b'])).toThrow(RangeError);
    expect(() => quoteArgv([])).toThrow(RangeError);
  });
});

describe('quoteArgv over SSH', () => {
  let lab: TestLab;
  let pool: SshPool;
  let access: SshAccess;

  beforeAll(async () => {
    lab = await startLab({ hosts: 1 });
    pool = createSshPool();
    const [host] = lab.hosts;
    if (host === undefined) throw new Error('the lab has no host');
    access = await accessTo(host);
  });

  afterAll(async () => {
    await pool.close();
    await lab.down();
  });

  it('carries every argument through sshd and the login shell', async () => {
    const run = async (argv: readonly string[]) =>
      (await pool.run({ access, host: 'h1', argv, deadlineMs: 20_000, connectMs: 20_000 })).stdout;
    expect(await run([...PRINT_ARGUMENTS, ...HOSTILE])).toBe(marked(HOSTILE));
    // A line that is itself quoted: two shells deep, where a mistake would not be made good by luck.
    expect(await carriesEverything(quoteArgv, (line) => run(['sh', '-c', line]))).toBe(true);
  });
});
