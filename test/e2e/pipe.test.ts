import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const CLI = fileURLToPath(new URL('../../bin/redisforge', import.meta.url));

it('a reader that leaves early is no failure of the CLI', async () => {
  const script = `"$0" "$1" schema | true; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script, process.execPath, CLI]);
  expect(stderr).toBe('');
  expect(stdout).toBe('0\n');
});
