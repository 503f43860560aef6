import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createSshPool, type SshPool } from '../../activities/ssh/pool.js';
import { openStage, type Stage } from '../support/e2e.js';

const PAGE = fileURLToPath(new URL('../../docs/break-glass.md', import.meta.url));

describe('the page for the day that RedisForge is gone', () => {
  let stage: Stage;
  let ssh: SshPool;

  beforeAll(async () => {
    ssh = createSshPool({});
    stage = await openStage({ temporalAddress: inject('temporalAddress'), name: `glass-${process.pid}` });
    const worker = await stage.startWorker();
    const { exitCode, stderr } = await stage.apply();
    expect(exitCode, stderr).toBe(0);
    worker.kill('SIGKILL');
  });
  afterAll(async () => {
    await ssh.close();
    await stage.close();
  });

  it('holds only commands that work on a host, one after the other', async () => {
    const host = stage.spec.hosts[0];
    if (host === undefined) throw new Error('no host');
    const { secrets, timings } = stage.spec;
    const password = (await readFile(secrets.admin.current.slice('file:'.length), 'utf8')).trim();
    const blocks = [...(await readFile(PAGE, 'utf8')).matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
    expect(blocks.length).toBeGreaterThan(5);
    const page = blocks
      .join('\n')
      .replace('root=/var/lib/redisforge', `root=${host.root}`)
      .replace('port=6379', `port=${host.nodes[0]?.port}`);
    const { exitCode, stdout, stderr } = await ssh.run({
      access: host.ssh,
      host: host.name,
      argv: ['sh', '-eus'],
      stdin: `read -r REDISCLI_AUTH <<'SECRET'\n${password}\nSECRET\n${page}`,
      purpose: 'the page',
      deadlineMs: 60_000,
      connectMs: timings.sshConnectMs,
    });
    expect(exitCode, stdout + stderr).toBe(0);
    expect(stdout).toContain(`cluster\t${stage.spec.name}`);
    expect(stdout).toContain('[OK] All 16384 slots covered.');
    expect(stdout).toMatch(/node\t\d+\tstopped/);
    const by = (await stage.journal()).filter(({ step }) => step === 'by-hand:anna').map(({ effect }) => effect);
    expect(by).toEqual(['node.stopping', 'node.started']);
  });
});
