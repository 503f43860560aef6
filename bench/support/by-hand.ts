import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderNodeFiles } from '../../config/render.js';
import { createSecretResolver, resolveSecrets } from '../../config/secrets.js';
import type { Stage } from '../../test/support/e2e.js';
import { type Times, watchForming } from './watch.js';

const SCRIPT = fileURLToPath(new URL('./by-hand.sh', import.meta.url));

/** A plain shell script brings the same cluster onto the stage's bare hosts, with the same files; times are from its start. */
export async function timeByHand(stage: Stage): Promise<Times> {
  const { spec } = stage;
  const folder = await mkdtemp(join(tmpdir(), 'redisforge-by-hand-'));
  const resolve = createSecretResolver({ env: {}, machine: 'the bench' });
  const secrets = await resolveSecrets({ spec, resolve });
  try {
    const lines: string[] = [];
    for (const host of spec.hosts) {
      const ports = host.nodes.map(({ port }) => port);
      lines.push([host.address, host.ssh.port, host.ssh.user, host.root, ...ports].join(' '));
      for (const port of ports) {
        for (const { path, content, role } of renderNodeFiles({ spec, host, port, secrets })) {
          const file = join(folder, host.address, relative(host.root, path));
          for (const part of ['data', 'log']) await mkdir(join(dirname(file), part), { recursive: true });
          if (role !== 'service') await writeFile(file, content, { mode: 0o600 });
        }
      }
    }
    await writeFile(join(folder, 'hosts'), `${lines.join('\n')}\n`);
    await copyFile(stage.lab.hosts[0]?.identityFile ?? '', join(folder, 'key'));
    const { server } = spec.install;
    const argv = [folder, server, String(spec.shape.replicasPerMaster)];
    const [times] = await Promise.all([
      watchForming({ spec, secrets: resolve }),
      run(argv, secrets.admin.current.reveal()),
    ]);
    return times;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(argv: readonly string[], password: string): Promise<void> {
  const child = spawn(SCRIPT, [...argv], {
    env: { ...process.env, REDISCLI_AUTH: password },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the script ended with ${code}`);
}
