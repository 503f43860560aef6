import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../lab/ports.js';
import { until } from '../support/until.js';

const execute = promisify(execFile);
const CLI = fileURLToPath(new URL('../../bin/redisforge', import.meta.url));

describe('dev', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'redisforge-dev-'));
  });
  afterAll(async () => {
    await dev('--stop');
    await rm(dir, { recursive: true, force: true });
  });

  const dev = (...argv: string[]) => execute(process.execPath, [CLI, 'dev', '--dir', dir, ...argv]);

  /** Ports of its own: the default ones may be somebody's. */
  async function begin(): Promise<{ address: string; uiUrl: string }> {
    const [port, uiPort] = [await freePort('127.0.0.1'), await freePort('127.0.0.1')];
    const { stdout } = await dev('--detach', '--json', '--port', String(port), '--ui-port', String(uiPort));
    return JSON.parse(stdout) as { address: string; uiUrl: string };
  }

  async function statePid(): Promise<number> {
    return (JSON.parse(await readFile(join(dir, 'dev.json'), 'utf8')) as { pid: number }).pid;
  }

  const isAlive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  it('starts server, UI and worker in the background, and finds them there the second time', async () => {
    const first = await begin();
    expect((await fetch(first.uiUrl)).status).toBe(200);
    expect(await begin()).toEqual(first);
  });

  it('is reached through a profile of Temporal’s own configuration', async () => {
    const { address } = await begin();
    const file = join(dir, 'temporal.toml');
    await writeFile(file, `[profile.elsewhere]\naddress = "${address}"\nnamespace = "default"\n`);
    const { TEMPORAL_ADDRESS: _, ...env } = process.env;
    const listed = await execute(process.execPath, [CLI, 'ops', 'list'], {
      env: { ...env, TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'elsewhere' },
    });
    expect(listed.stdout).toBe('');
  });

  it('goes on with the server that a killed one left behind, on the same database', async () => {
    const before = await begin();
    const killed = await statePid();
    process.kill(killed, 'SIGKILL');
    await until('it is gone', () => !isAlive(killed));
    expect(await begin()).toEqual(before);
    expect(await statePid()).not.toBe(killed);
  });

  it('ends worker and server in order', async () => {
    const { address } = await begin();
    const pid = await statePid();
    await dev('--stop');
    await until('its process is gone', () => !isAlive(pid));
    const [, port = ''] = address.split(':');
    await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow();
    expect(await readFile(join(dir, 'dev.log'), 'utf8')).toContain('worker has ended in order');
    await dev('--stop');
  });
});
