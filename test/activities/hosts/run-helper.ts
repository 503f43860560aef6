import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostHelper } from '../../../activities/hosts/helper.js';
import { until } from '../../support/until.js';

export interface Ran {
  readonly code: number | null;
  readonly lines: string[];
  readonly stderr: string;
}

/** A host's root folder with the helper in it, run by a plain `sh`: no SSH. */
export interface HelperHost {
  readonly root: string;
  run(words: readonly string[], stdin?: string): Promise<Ran>;
  /** With the token of generation 1, step `s`, attempt 1. */
  act(words: readonly string[], stdin?: string): Promise<Ran>;
  read(path: string): Promise<string>;
  journal(): Promise<string[][]>;
  remove(): Promise<void>;
}

/** `machine`: a folder that stands for the whole machine outside of the root, so that no test ever changes the real one. */
export async function helperHost({ machine }: { machine?: string } = {}): Promise<HelperHost> {
  const root = await mkdtemp(join(tmpdir(), 'redisforge-helper-'));
  const program = join(root, 'bin', 'redisforge-host');
  await mkdir(join(root, 'bin'));
  await writeFile(program, onMachine(machine), { mode: 0o700 });
  const path = machine === undefined ? {} : { PATH: `${machine}/bin:${process.env['PATH'] ?? ''}` };
  const run = (words: readonly string[], stdin = '') => runProgram('sh', [program, ...words], { stdin, env: path });
  const read = (path: string) => readFile(join(root, path), 'utf8');
  return {
    root,
    run,
    read,
    act: (words, stdin) => run([...token(), ...words], stdin),
    journal: async () => fields(await read('record/journal')),
    remove: async () => {
      // A supervisor may still be noting how its process ended.
      await until('nothing runs there', async () => (await runProgram('pgrep', ['-f', root], {})).code === 1);
      await rm(root, { recursive: true, force: true });
    },
  };
}

export function token({ generation = 1, step = 's', attempt = 1 } = {}): string[] {
  return ['--generation', `${generation}`, '--step', step, '--attempt', `${attempt}`];
}

/** Arguments of `lease take`; each can be given another value. */
export function claim(change: Record<string, string> = {}): string[] {
  const fields = { cluster: 'orders', uid: 'u1', generation: '1', server: 'n1', workflow: 'w', run: 'r1' };
  const rest = { operation: 'apply', actor: 'anna', since: '2026-11-21' };
  const pairs = Object.entries({ ...fields, ...rest, ...change }).map(([key, value]) => `${key}=${value}`);
  return ['lease', 'take', ...pairs];
}

/** An instruction for `ensure`. */
export function fileLine(path: string, content: string, mode = '600'): string {
  const sha256 = createHash('sha256').update(content).digest('hex');
  return `file ${mode} ${sha256} ${path} ${Buffer.from(content).toString('base64')}\n`;
}

function fields(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

/** The helper's text, with its one line that says where the machine is. */
function onMachine(machine: string | undefined): string {
  const { text } = hostHelper();
  if (machine === undefined) return text;
  const there = text.replace("\nMACHINE=''\n", `\nMACHINE='${machine}'\n`);
  if (there === text) throw new Error('the helper does not say where the machine is');
  return there;
}

interface RunOptions {
  readonly stdin?: string;
  readonly env?: NodeJS.ProcessEnv;
}

function runProgram(program: string, argv: readonly string[], { stdin = '', env }: RunOptions): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, lines: stdout.split('\n').filter((line) => line !== ''), stderr }));
    child.stdin.end(stdin);
  });
}
