import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSpec } from '../../config/load.js';
import { hostProcesses } from '../../lab/host-processes.js';
import { type Lab, labDown, labStatus, labUp, openLab } from '../../lab/lab.js';
import { findEngine, writeLabSpec } from '../../lab/spec.js';
import { answersSsh } from '../../lab/sshd.js';
import { labDriver, startLab, type TestLab, withLab } from '../support/lab.js';
import { sshInto } from '../support/ssh.js';
import { until } from '../support/until.js';

const PATH = process.env['PATH'] ?? '';

function nth(lab: Lab, index: number) {
  const host = lab.hosts[index];
  if (host === undefined) throw new Error(`the lab has no host ${index}`);
  return host;
}

async function states(lab: Lab): Promise<string[]> {
  return (await labStatus(lab, labDriver)).map(({ state }) => state);
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`);
}

/** A redis-server of the host's, detached from the login that started it. */
async function startRedisOn(lab: Lab, index: number): Promise<number> {
  const host = nth(lab, index);
  const argv = `--bind ${host.address} --port ${host.nodePorts[0]} --dir ${host.root} --pidfile ${host.root}/redis.pid --daemonize yes`;
  await sshInto(host, `redis-server ${argv}`);
  return until('the pid file of redis-server', async () => {
    const pid = Number(await readFile(join(host.root, 'redis.pid'), 'utf8'));
    // The title is written over the environment once the server is up.
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1');
    return environment.includes('PATH=') ? undefined : pid;
  });
}

describe('a lab of three hosts', () => {
  let lab: TestLab;
  beforeAll(async () => {
    lab = await startLab({ hosts: 3 });
  });
  afterAll(() => lab.down());

  it('lets its client key in on every host, each with its own address, key and folder', async () => {
    expect(await states(lab)).toEqual(['running', 'running', 'running']);
    const roots = await Promise.all(lab.hosts.map((host) => sshInto(host, `cd ${host.root} && pwd`)));
    expect(roots).toEqual(lab.hosts.map(({ root }) => root));
    expect(new Set(lab.hosts.map(({ address }) => address)).size).toBe(3);
    const keys = await Promise.all(lab.hosts.map((host) => labDriver.hostKey(host)));
    expect(new Set(keys).size).toBe(3);
    expect(keys.every((key) => /^ssh-ed25519 [A-Za-z0-9+/]+$/.test(key))).toBe(true);
    expect(lab.hosts.map(({ zone }) => zone)).toEqual(['z1', 'z2', 'z3']);
  });

  it('is found up by a second up, which changes nothing', async () => {
    const again = await labUp({ dir: lab.dir, driver: labDriver });
    expect(again.changed).toBe(false);
    expect(again.hosts).toEqual(lab.hosts);
  });

  it('refuses a second up that asks for another shape, and leaves the lab alone', async () => {
    await expect(labUp({ dir: lab.dir, driver: labDriver, shape: { hosts: 4 } })).rejects.toMatchObject({
      type: 'Refused',
    });
    expect(await states(lab)).toEqual(['running', 'running', 'running']);
  });

  it('kills all of a host at once, redis-server included, and nothing of its neighbours', async () => {
    const killed = await startRedisOn(lab, 0);
    const spared = await startRedisOn(lab, 1);
    await labDriver.kill(nth(lab, 0));
    expect(await hostProcesses(nth(lab, 0).home)).toEqual([]);
    expect([isAlive(killed), isAlive(spared)]).toEqual([false, true]);
    expect(await states(lab)).toEqual(['stopped', 'running', 'running']);
    await labDriver.start(nth(lab, 0));
    expect(await states(lab)).toEqual(['running', 'running', 'running']);
  });

  it('spares a shell that a person has open in the folder of a killed host', async () => {
    const host = nth(lab, 0);
    const shell = spawn('sleep', ['60'], { cwd: host.root });
    try {
      await labDriver.kill(host);
      expect(shell.pid !== undefined && isAlive(shell.pid)).toBe(true);
    } finally {
      shell.kill();
      await labDriver.start(host);
    }
  });

  it('freezes a host: the port is open, nothing answers; thawed, it goes on', async () => {
    const host = nth(lab, 2);
    await labDriver.freeze(host);
    expect(await labDriver.stateOf(host)).toBe('frozen');
    expect(await answersSsh(host)).toBe(false);
    await labDriver.thaw(host);
    expect(await sshInto(host, 'echo thawed')).toBe('thawed');
  });

  it('brings a frozen host back by start', async () => {
    await labDriver.freeze(nth(lab, 2));
    await labDriver.start(nth(lab, 2));
    expect(await states(lab)).toEqual(['running', 'running', 'running']);
  });

  it('shuts a host down in order: its processes get SIGTERM and time to end', async () => {
    const host = nth(lab, 1);
    const script = `trap 'echo orderly > ${host.root}/farewell; exit' TERM; touch ${host.root}/waiting; while :; do sleep 0.05; done`;
    await sshInto(host, `setsid sh -c "${script}" </dev/null >/dev/null 2>&1 &`);
    await until('the service on the host', () => existsSync(join(host.root, 'waiting')));
    await labDriver.stop(host, 5000);
    expect(await readFile(join(host.root, 'farewell'), 'utf8')).toBe('orderly\n');
    expect(await hostProcesses(host.home)).toEqual([]);
    await labDriver.start(host);
  });

  it('kills what does not end by itself when a host is shut down', async () => {
    const host = nth(lab, 1);
    await sshInto(
      host,
      `setsid sh -c "trap '' TERM; touch ${host.root}/deaf; while :; do sleep 1; done" </dev/null >/dev/null 2>&1 &`,
    );
    await until('the service on the host', () => existsSync(join(host.root, 'deaf')));
    await labDriver.stop(host, 200);
    expect(await hostProcesses(host.home)).toEqual([]);
    await labDriver.start(host);
  });

  it('stands beside another lab with the same ports', async () => {
    await withLab({ hosts: 2 }, async (other) => {
      expect(other.hosts.map(({ sshPort, nodePorts }) => [sshPort, nodePorts])).toEqual(
        lab.hosts.slice(0, 2).map(({ sshPort, nodePorts }) => [sshPort, nodePorts]),
      );
      expect(await states(other)).toEqual(['running', 'running']);
    });
    expect(await states(lab)).toEqual(['running', 'running', 'running']);
  });
});

describe('the spec of a lab', () => {
  it('is complete and taken as it is, with secrets that nobody else can read', async () => {
    await withLab({ hosts: 6 }, async (lab) => {
      const request = {
        lab,
        driver: labDriver,
        engine: await findEngine(PATH),
        cluster: { name: 'orders', nodeTimeoutMs: 1500 },
      };
      const { path, written } = await writeLabSpec(request);
      expect(written).toBe(true);
      const { spec } = await loadSpec({ path });
      expect(spec).toMatchObject({ name: 'orders', uid: lab.uid, shape: { masters: 3, replicasPerMaster: 1 } });
      expect(spec.redis.nodeTimeoutMs).toBe(1500);
      expect(spec.hosts.map(({ address, root }) => ({ address, root }))).toEqual(
        lab.hosts.map(({ address, root }) => ({ address, root })),
      );
      const secrets = join(lab.dir, 'secrets');
      for (const file of await readdir(secrets)) expect((await stat(join(secrets, file))).mode & 0o777).toBe(0o600);
      await writeFile(path, `${await readFile(path, 'utf8')}# mine\n`);
      expect((await writeLabSpec(request)).written).toBe(false);
      expect(await readFile(path, 'utf8')).toContain('# mine');
    });
  });

  it('is not written over a file that no lab wrote', async () => {
    await withLab({ hosts: 3 }, async (lab) => {
      const path = join(lab.dir, 'mine.yaml');
      await writeFile(path, 'name: mine\n');
      const engine = await findEngine(PATH);
      const writing = writeLabSpec({ lab, driver: labDriver, engine, cluster: { name: 'lab' }, path });
      await expect(writing).rejects.toMatchObject({ type: 'Refused' });
      expect(await readFile(path, 'utf8')).toBe('name: mine\n');
    });
  });
});

describe('taking a lab away', () => {
  let parent: string;
  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'redisforge-down-'));
  });
  afterAll(() => rm(parent, { recursive: true, force: true }));

  async function expectNothingLeft(dir: string): Promise<void> {
    expect(existsSync(dir)).toBe(false);
    expect(await hostProcesses(dir)).toEqual([]);
  }

  it('leaves no process and no folder, also when asked twice', async () => {
    const dir = join(parent, 'twice');
    const lab = await labUp({ dir, driver: labDriver, shape: { hosts: 2 } });
    const redis = await startRedisOn(lab, 0);
    await labDown({ dir, drivers: [labDriver] });
    await expectNothingLeft(dir);
    expect(isAlive(redis)).toBe(false);
    await labDown({ dir, drivers: [labDriver] });
    expect(await openLab(dir)).toBeNull();
  });

  it('works when the record is broken or gone', async () => {
    const dir = join(parent, 'broken');
    await labUp({ dir, driver: labDriver, shape: { hosts: 2 } });
    await writeFile(join(dir, 'lab.json'), '{"version":');
    await expect(openLab(dir)).rejects.toMatchObject({ type: 'Refused' });
    await labDown({ dir, drivers: [labDriver] });
    await expectNothingLeft(dir);
  });

  it('ends the processes of a lab whose folder somebody removed', async () => {
    const dir = join(parent, 'removed');
    const lab = await labUp({ dir, driver: labDriver, shape: { hosts: 2 } });
    const redis = await startRedisOn(lab, 1);
    await rm(dir, { recursive: true });
    await labDown({ dir, drivers: [labDriver] });
    await expectNothingLeft(dir);
    expect(isAlive(redis)).toBe(false);
  });

  it('does not touch a folder that holds something else', async () => {
    const dir = join(parent, 'foreign');
    await mkdir(dir);
    await writeFile(join(dir, 'thesis.txt'), 'years of work');
    await expect(labUp({ dir, driver: labDriver })).rejects.toMatchObject({ type: 'Refused' });
    await expect(labDown({ dir, drivers: [labDriver] })).rejects.toMatchObject({ type: 'Refused' });
    expect(await readdir(dir)).toEqual(['thesis.txt']);
  });

  /** Runs `lab up` as a program of its own, and kills it as soon as `moment` has come. */
  async function killedUp(dir: string, moment: () => Promise<boolean>): Promise<void> {
    const code = `
      import { Command } from 'commander';
      import { labVerb } from './starters/verbs/lab.ts';
      import { processIo } from './starters/io.ts';
      const program = new Command();
      labVerb(program, processIo());
      await program.parseAsync(['lab', 'up', '--dir', ${JSON.stringify(dir)}], { from: 'user' });
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    await until('the moment to kill `lab up`', async () => (await moment()) || child.exitCode !== null, 30_000);
    child.kill('SIGKILL');
    await ended;
    expect(child.signalCode).toBe('SIGKILL');
  }

  const moments = [
    { when: 'the record is written', has: async (dir: string) => Promise.resolve(existsSync(join(dir, 'lab.json'))) },
    {
      when: 'some keys are made',
      has: async (dir: string) => Promise.resolve(existsSync(join(dir, 'hosts/h3/host_key'))),
    },
    { when: 'some hosts run', has: async (dir: string) => (await hostProcesses(dir)).length > 0 },
  ];

  it.each(moments)('is complete after up was killed when $when', async ({ has }) => {
    const dir = join(parent, 'killed-down');
    await killedUp(dir, () => has(dir));
    await labDown({ dir, drivers: [labDriver] });
    await expectNothingLeft(dir);
  });

  it.each(moments)('is not needed: up goes on where it was killed when $when', async ({ has }) => {
    const dir = join(parent, 'killed-up');
    await killedUp(dir, () => has(dir));
    const lab = await labUp({ dir, driver: labDriver });
    expect(await states(lab)).toEqual(Array(6).fill('running'));
    await labDown({ dir, drivers: [labDriver] });
    await expectNothingLeft(dir);
  });
});
