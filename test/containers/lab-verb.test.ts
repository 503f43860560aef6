import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadSpec } from '../../config/load.js';
import { createContainerDriver } from '../../lab/container-driver.js';
import { labLabel } from '../../lab/container-host.js';
import { labVerb } from '../../starters/verbs/lab.js';
import { runVerb } from '../support/run-verb.js';
import { sshInto } from '../support/ssh.js';
import { until } from '../support/until.js';

const run = promisify(execFile);

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'redisforge-container-verb-'));
});
afterAll(async () => {
  await lab('down');
  await rm(cwd, { recursive: true, force: true });
});

const lab = (...argv: string[]) => runVerb(labVerb, cwd, ['lab', ...argv]);

const shown = z.object({
  state: z.string(),
  hosts: z.array(z.object({ name: z.string(), state: z.string(), network: z.string() })),
});

async function networks(): Promise<string[]> {
  return shown.parse(JSON.parse((await lab('status', '--json')).out)).hosts.map(({ network }) => network);
}

async function docker(...argv: string[]): Promise<string> {
  return (await run('docker', argv)).stdout.trim();
}

/** What the engine still has of the lab in .lab. */
async function leftovers(): Promise<string[]> {
  const filter = ['--quiet', '--filter', `label=${labLabel(join(cwd, '.lab'))}`];
  const found = await Promise.all([docker('ps', '--all', ...filter), docker('network', 'ls', ...filter)]);
  return found.filter((line) => line !== '');
}

/** Loop devices whose file is gone: disks of containers that were removed while something held them. */
async function orphanedDisks(): Promise<string[]> {
  const { stdout } = await run('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE']);
  return stdout.split('\n').filter((file) => file.includes('(deleted)'));
}

describe('redisforge lab with containers', () => {
  it('brings hosts up with a spec that is taken as it is', async () => {
    const up = await lab('up', '--driver', 'container', '--hosts', '3', '--name', 'orders');
    expect(up).toMatchObject({ code: 0, err: '' });
    const { spec } = await loadSpec({ path: join(cwd, '.lab/cluster.yaml') });
    expect(spec.hosts.map(({ root, ssh }) => [root, ssh.user, ssh.port])).toEqual(
      Array(3).fill(['/var/lib/redisforge', 'root', 22]),
    );
    expect((await lab('up', '--json')).out).toContain('"changed":false');
    expect(await lab('up', '--driver', 'process')).toMatchObject({ code: 3 });
  });

  it('installs packages where this machine can', async () => {
    const opened = await lab('status', '--json');
    const [host] = z
      .object({ hosts: z.array(z.object({ address: z.string(), identityFile: z.string() })) })
      .parse(JSON.parse(opened.out)).hosts;
    if (host === undefined) throw new Error('the lab has no host');
    const login = { ...LOGIN, ...host };
    expect(await sshInto(login, 'apt-get update -qq && apt-get install -y -qq hello >/dev/null 2>&1; hello')).toContain(
      'Hello',
    );
  });

  it('cuts and heals, fills and frees, kills and reboots by name', async () => {
    expect(await lab('cut', 'h1', 'h2')).toMatchObject({ code: 0, out: 'h1 and h2 are cut off from each other.' });
    expect(await networks()).toEqual(['cut', 'cut', 'whole']);
    expect((await lab('status')).out).toContain('running, cut');
    expect(await lab('heal')).toMatchObject({ code: 0, out: 'Nothing is cut any more.' });
    expect(await lab('cut', 'h3', 'h1', '--one-way')).toMatchObject({ code: 0 });
    expect(await networks()).toEqual(['cut', 'whole', 'whole']);
    expect(await lab('cut', 'h2', '--everything')).toMatchObject({ code: 0 });
    expect(await networks()).toEqual(['cut', 'cut', 'whole']);
    await lab('heal');
    expect(await networks()).toEqual(['whole', 'whole', 'whole']);
    expect(await lab('fill', 'h1', '--leave', '5mb')).toMatchObject({ code: 0 });
    expect(await lab('free', 'h1')).toMatchObject({ code: 0 });
    expect(await lab('kill', 'h2')).toMatchObject({ code: 0, out: 'h2 is killed.' });
    expect((await lab('status')).code).toBe(1);
    expect(await lab('reboot', 'h2')).toMatchObject({ code: 0, out: 'h2 is up again.' });
    expect((await lab('status')).code).toBe(0);
  });

  it.each([
    ['cut', 'h1', 'h1'],
    ['cut', 'h1', '--one-way'],
    ['cut', 'h1', 'h2', '--everything'],
    ['cut', 'h9'],
    ['fill', 'h9'],
  ])('refuses `%s %s %s`', async (...argv) => {
    const { code, err } = await lab(...argv.filter((word) => word !== undefined));
    expect([code, err]).toEqual([2, expect.stringContaining('BadSpec')]);
    expect(await networks()).toEqual(['whole', 'whole', 'whole']);
  });

  it('leaves no container, network, disk or folder when it is taken away, also when its folder is lost', async () => {
    await rm(join(cwd, '.lab'), { recursive: true });
    expect(await leftovers()).not.toEqual([]);
    expect(await lab('down')).toMatchObject({ code: 0 });
    expect(await leftovers()).toEqual([]);
    await until('no disk to be left', async () => (await orphanedDisks()).length === 0);
    expect(existsSync(join(cwd, '.lab'))).toBe(false);
    expect(await lab('down')).toMatchObject({ code: 0 });
  });
});

describe('`lab up` that is killed', () => {
  const dir = () => join(cwd, 'killed');
  const containers = () => docker('ps', '--all', '--quiet', '--filter', `label=${labLabel(dir())}`);

  it.each([
    { when: 'the first container is there', has: async () => (await containers()) !== '' },
    {
      when: 'the network is there',
      has: async () => (await docker('network', 'ls', '--quiet', '--filter', `label=${labLabel(dir())}`)) !== '',
    },
  ])('is gone on with by the next one when $when, and is taken away as a whole', async ({ has }) => {
    const argv = ['lab', 'up', '--driver', 'container', '--hosts', '3', '--dir', dir()];
    const child = spawn(process.execPath, ['--import', 'tsx', 'starters/cli.ts', ...argv], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    await until('the moment to kill `lab up`', async () => (await has()) || child.exitCode !== null, 60_000);
    child.kill('SIGKILL');
    await ended;
    expect(child.signalCode).toBe('SIGKILL');
    expect(await lab('up', '--dir', dir())).toMatchObject({ code: 0, err: '' });
    expect((await lab('status', '--dir', dir())).code).toBe(0);
    expect((await lab('down', '--dir', dir())).code).toBe(0);
    expect(await containers()).toBe('');
  });
});

const LOGIN = { name: 'h1', zone: 'z1', sshPort: 22, user: 'root', home: '', root: '', nodePorts: [] };

describe('a machine that lacks something', () => {
  /** A driver that finds this program under the name of docker, and nothing else of docker. */
  async function driverWith(name: string, script: string) {
    const folder = join(cwd, name);
    await mkdir(folder);
    await writeFile(join(folder, 'docker'), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, 'docker'), 0o755);
    return createContainerDriver({ searchPath: folder });
  }

  const planned = (driver: ReturnType<typeof createContainerDriver>) =>
    driver.plan(join(cwd, 'never'), { hosts: 1, zones: 1, nodesPerHost: 1 });

  it('is told that there is no engine', async () => {
    await mkdir(join(cwd, 'empty'));
    const driver = createContainerDriver({ searchPath: join(cwd, 'empty') });
    await expect(planned(driver)).rejects.toThrow(/no program docker on the PATH.*docker\.io/s);
  });

  it('is told that the daemon does not run', async () => {
    const real = (await run('which', ['docker'])).stdout.trim();
    const driver = await driverWith('down', `exec ${real} --host unix:///nowhere/docker.sock "$@"`);
    await expect(planned(driver)).rejects.toThrow(/its daemon does not answer.*systemctl start docker/s);
  });

  it('is told that the user has no right to it', async () => {
    const real = (await run('which', ['docker'])).stdout.trim();
    const socket = join(cwd, 'closed.sock');
    const server = createServer().listen(socket);
    await once(server, 'listening');
    await chmod(socket, 0);
    // Root may open anything: it becomes nobody first.
    const nobody = process.getuid?.() === 0 ? '/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups' : '';
    const driver = await driverWith('forbidden', `HOME=/ exec ${nobody} ${real} --host unix://${socket} "$@"`);
    try {
      await expect(planned(driver)).rejects.toThrow(/no right to use it.*group docker/s);
    } finally {
      server.close();
    }
  });

  it('is told that the image was not made', async () => {
    const real = (await run('which', ['docker'])).stdout.trim();
    const driver = await driverWith('imageless', `exec ${real} image inspect redisforge-lab:none`);
    await expect(planned(driver)).rejects.toThrow(/is not there.*make lab-image/s);
  });

  it('is told about the faults that processes cannot suffer', async () => {
    const folder = join(cwd, 'processes');
    await mkdir(folder);
    const verb = (...argv: string[]) => runVerb(labVerb, folder, ['lab', ...argv]);
    await verb('up', '--hosts', '3');
    try {
      const { code, err } = await verb('cut', 'h1');
      expect([code, err]).toEqual([3, expect.stringContaining('--driver container')]);
    } finally {
      await verb('down');
    }
  });
});
