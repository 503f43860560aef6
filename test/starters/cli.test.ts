import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const CLI = join(import.meta.dirname, '../../starters/cli.ts');
const run = (...argv: string[]) => promisify(execFile)(process.execPath, ['--import', 'tsx', CLI, ...argv]);

describe('redisforge', () => {
  it('says its version', async () => {
    const file = await readFile(join(import.meta.dirname, '../../package.json'), 'utf8');
    const { version } = JSON.parse(file) as { version: string };
    expect((await run('--version')).stdout).toBe(`${version}\n`);
  });

  it('shows nothing that a terminal would act on', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'redisforge-cli-'));
    try {
      const spec = join(folder, 'spec.yaml');
      await writeFile(spec, '"\\e[2J\\x9bA\\u202e": 1\n');
      const failure: unknown = await run('validate', '-f', spec).catch((error: unknown) => error);
      expect(failure).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('\\u001b[2J\\u009bA\\u202e') as string,
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
