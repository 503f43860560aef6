import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPT = resolve('scripts/count-results.cjs');

let tree: string;
beforeEach(async () => {
  tree = await mkdtemp(join(tmpdir(), 'redisforge-count-'));
});
afterEach(() => rm(tree, { recursive: true, force: true }));

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await writeFile(join(tree, path), text);
}

/** A run with one check and one test file that passed; the container tests were to run and did not. */
async function sound({
  failedBefore = [],
  status = 'passed',
}: {
  failedBefore?: readonly string[];
  status?: 'passed' | 'failed';
} = {}): Promise<void> {
  await put('.results/checks/types.log', '');
  await put('test/domain/one.test.ts', '');
  await put('test/containers/two.test.ts', '');
  const assertionResults = [{ status, fullName: 'is so', failureMessages: failedBefore }];
  const testResults = [{ name: join(tree, 'test/domain/one.test.ts'), status, assertionResults }];
  await put('.results/vitest.json', JSON.stringify({ testResults }));
  await put('.results/vitest.exit', '0\n');
}

function count(): Promise<{ code: number; line: string | undefined; said: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [SCRIPT, '.results'], { cwd: tree }, (error, stdout, stderr) => {
      done({ code: Number(error?.code ?? 0), line: stdout.trim().split('\n').at(-1), said: stderr });
    });
  });
}

describe('the count at the end of a run', () => {
  it('misses container tests that did not run', async () => {
    await sound();
    const { code, line, said } = await count();
    expect([code, line]).toEqual([1, '2 passed, 1 failed']);
    expect(said).toContain('test/containers/two.test.ts: was not run');
  });

  it('names container tests that were left out, with the reason, and counts them neither way', async () => {
    await sound();
    await put('.results/containers.left-out', 'no container engine answers: nobody there\n');
    const { code, line, said } = await count();
    expect([code, line]).toEqual([0, '2 passed, 0 failed']);
    expect(said).toMatch(/LEFT OUT.*1 files? of container tests.*nobody there/);
  });

  it('says of what failed how it began to, in a line that a cut log still has', async () => {
    await sound({ failedBefore: ['AssertionError: 2 is not 3\n    at somewhere'], status: 'failed' });
    await put('.results/containers.left-out', 'no container engine answers: nobody there\n');
    const { code, said } = await count();
    expect(code).toBe(1);
    expect(said).toContain('FAILED test/domain/one.test.ts: is so (failed)\n    AssertionError: 2 is not 3\n');
  });

  it('names what passed at the second try only, and counts it as passed', async () => {
    await sound({ failedBefore: ['Error: not at first\n    at somewhere'] });
    await put('.results/containers.left-out', 'no container engine answers: nobody there\n');
    const { code, line, said } = await count();
    expect([code, line]).toEqual([0, '2 passed, 0 failed']);
    expect(said).toContain('SECOND TRY test/domain/one.test.ts: is so: Error: not at first\n');
  });

  it('fails with an engine that was to be there and is not', async () => {
    await sound();
    await put('.results/checks/containers.log', 'no container engine answers\n');
    await put('.results/checks/containers.failed', '');
    const { code, line, said } = await count();
    expect([code, line]).toEqual([1, '2 passed, 2 failed']);
    expect(said).toContain('FAILED check containers\n    no container engine answers');
  });
});
