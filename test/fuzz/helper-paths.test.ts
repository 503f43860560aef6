import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostHelper } from '../../activities/hosts/helper.js';
import { hostileText } from './hostile.js';
import { type Check, holds, notices, SEED } from './seeded.js';

/** So many instructions for one shell. */
const PER_SHELL = 100;
/** `..` so often as no input says it: what a broken helper breaks is still in the folder of the test. */
const DEPTH = 40;

const segment = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('nodes', '7001', 'data', 'redis.conf', 'new', 'file', 'folder') },
  {
    weight: 4,
    arbitrary: fc.constantFrom('..', '.', '', '../canary', '../canary/file', 'out', 'out-file', 'dangling', 'loop'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('record', 'bin', 'lease', 'generation', 'redisforge-host', 'file.new', 'lure'),
  },
  { weight: 2, arbitrary: hostileText.map((text) => text.slice(0, 300)) },
);
const path = fc.oneof(
  { weight: 9, arbitrary: fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/')) },
  { weight: 1, arbitrary: fc.constantFrom('lure/file', 'out/new', 'nodes/7001/redis.conf', 'nodes/7001/data/x') },
);
const mode = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('600', '700', '644') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '4755',
      '-R',
      '--reference=/etc/passwd',
      'u+s',
      '',
      '999',
      '600:root',
      '600:::',
      '700:0:nobody',
    ),
  },
  { weight: 1, arbitrary: hostileText },
);
const content = fc.oneof(hostileText, fc.constant('canary'));

/** What `ensure` is told on its stdin, its last line apart. */
const instruction = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(mode, path, content).map(([m, p, text]) => fileWords(m, p, text)) },
  { weight: 3, arbitrary: fc.tuple(mode, path).map(([m, p]) => `folder ${m} ${p}`) },
  { weight: 1, arbitrary: fc.tuple(hostileText, path).map(([word, p]) => `${word} 600 ${p}`) },
  { weight: 1, arbitrary: fc.tuple(path, hostileText).map(([p, text]) => `file 600 ${text} ${p} ${text}`) },
);
const batches = fc.array(instruction, { minLength: PER_SHELL, maxLength: PER_SHELL });

function fileWords(modeWord: string, at: string, text: string): string {
  const bytes = Buffer.from(text);
  return `file ${modeWord} ${createHash('sha256').update(bytes).digest('hex')} ${at} ${bytes.toString('base64')}`;
}

/**
 * The helper's own text with its last lines exchanged: `ensure` for each file of instructions, in a process of its own. Lock and token are the subject of
 * other tests; they and the tools that only read the instructions cost a dozen processes each time.
 */
const MAIN = /\nmain "\$@"\n[^]*$/;
const EACH = `
begin() { now=now token_generation=1 token_step=s token_attempt=1; }
sync() { :; }
cat() { while IFS= read -r told_line; do printf '%s\\n' "$told_line"; done; }
tail() { echo end; }
useradd() { echo 'an account was made' >"$root/../account"; }
root=$1 record=$1/record
shift
for told; do
  (ensure <"$told") >/dev/null 2>&1 || printf '%s\\n' "$?"
done
`;

/** Codes with which the helper refuses; 1 and 2 are those of the tools that it calls (a name that is too long, a folder in the place of a file). */
const REFUSALS: ReadonlySet<string> = new Set(['1', '2', '17', '18']);

interface Sandbox {
  readonly base: string;
  readonly beside: string;
  readonly root: string;
}

async function sandbox(): Promise<Sandbox> {
  const base = await mkdtemp(join(tmpdir(), 'redisforge-fuzz-'));
  const beside = join(base, ...Array.from({ length: DEPTH }, () => 'd'));
  const [root, canary] = [join(beside, 'root'), join(beside, 'canary')];
  for (const folder of ['record', 'bin', 'nodes/7001', 'lure']) await mkdir(join(root, folder), { recursive: true });
  await mkdir(canary);
  await writeFile(join(canary, 'file'), 'canary', { mode: 0o640 });
  await writeFile(join(root, 'record', 'lease'), 'ours');
  await writeFile(join(root, 'bin', 'redisforge-host'), 'ours');
  await symlink('../canary', join(root, 'out'));
  await symlink('../canary/file', join(root, 'out-file'));
  await symlink('../../canary/file', join(root, 'lure', 'file.new'));
  await symlink(join(canary, 'new'), join(root, 'dangling'));
  await symlink('loop', join(root, 'loop'));
  await symlink(canary, join(root, 'nodes', '7001', 'data'));
  return { base, beside, root };
}

/** Everything of a folder but what is below `apart`: kind, mode, times and content. */
async function pictureOf(folder: string, apart: string): Promise<string[]> {
  const names = (await readdir(folder)).sort();
  const found = await Promise.all(
    names.map(async (name): Promise<string[]> => {
      const file = join(folder, name);
      if (file === apart) return [];
      const stat = await lstat(file);
      const head = `${file} ${stat.mode} ${stat.mtimeMs} ${stat.uid}`;
      if (stat.isDirectory()) return [head, ...(await pictureOf(file, apart))];
      return [`${head} ${stat.isSymbolicLink() ? await readlink(file) : await readFile(file, 'utf8')}`];
    }),
  );
  return found.flat();
}

/** Each instruction is done or refused, and nothing changes beside the root, in the record and in the folder of the program. */
function staysInside(helper: string): Check<string[]> {
  const program = helper.replace(MAIN, () => EACH);
  return async (told) => {
    const { base, beside, root } = await sandbox();
    try {
      const files = await Promise.all(
        told.map(async (text, i) => {
          const file = join(base, `told-${i}`);
          await writeFile(file, `${text}\nend\n`);
          return file;
        }),
      );
      await writeFile(join(base, 'helper'), program);
      const before = await outside({ base, beside, root });
      const { stdout } = await promisify(execFile)('sh', [join(base, 'helper'), root, ...files], { cwd: beside });
      const codes = stdout.split('\n').filter(Boolean);
      expect(codes.filter((code) => !REFUSALS.has(code))).toEqual([]);
      expect(await outside({ base, beside, root })).toEqual(before);
    } finally {
      await rm(base, { recursive: true, force: true });
    }
  };
}

async function outside({ base, root }: Sandbox): Promise<string[]> {
  const kept = await Promise.all(
    ['lease', 'generation'].map((name) => readFile(join(root, 'record', name), 'utf8').catch(() => '')),
  );
  return [...(await pictureOf(base, root)), ...kept, ...(await pictureOf(join(root, 'bin'), ''))];
}

const { text: HELPER } = hostHelper();

function mutant(from: string, to: string): string {
  expect(HELPER).toContain(from);
  return HELPER.replaceAll(from, () => to);
}

describe(`instructions for files and folders of a host (seed ${SEED})`, () => {
  it('are done below the root, or refused', () => holds(batches, staysInside(HELPER), { inputs: PER_SHELL }));

  it.each([
    ['paths were not looked at', 'want_inside "$', ': "$'],
    ['links were followed', '[ ! -L "$way" ]', ':'],
    ['a link in the place of the new file were followed', '|| rm -f "$file.new"', '|| :'],
    ['the record were a folder like others', '/record/* | /bin/*)', '/never/*)'],
  ])('would be noticed if %s', (_, from, to) => notices(batches, staysInside(mutant(from, to)), { inputs: PER_SHELL }));
});
