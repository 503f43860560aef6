import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createHostActivities, type HostActivities } from '../../../activities/hosts/activities.js';
import { hostHelper } from '../../../activities/hosts/helper.js';
import { createSshPool, type SshPool } from '../../../activities/ssh/pool.js';
import { type ReachHost, reachRefusals, portsToExamine } from '../../../domain/reach.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import type { HostOutcome } from '../../../domain/survey.js';
import { startLab, type TestLab } from '../../support/lab.js';
import { until } from '../../support/until.js';
import { leaseOf, randomSecrets, specOfLab } from './lab-hosts.js';

let lab: TestLab;
let ssh: SshPool;
let spec: ClusterSpec;
let activities: HostActivities;
const servers: Server[] = [];

beforeAll(async () => {
  ssh = createSshPool();
  activities = createHostActivities({ ssh, secrets: randomSecrets(), helper: hostHelper() });
  lab = await startLab({ hosts: 3, zones: 3 });
  spec = await specOfLab(lab);
});

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

afterAll(async () => {
  await ssh.close();
  await lab.down();
});

const hostAt = (index: number) => {
  const host = spec.hosts[index];
  if (host === undefined) throw new Error(`the lab has no host ${index}`);
  return host;
};
const portAt = (index: number) => hostAt(index).nodes[0]?.port ?? 0;

async function surveyed(): Promise<HostOutcome[]> {
  return Promise.all(
    spec.hosts.map(
      async ({ name: host }): Promise<HostOutcome> => ({
        host,
        surveyed: true,
        survey: await activities.surveyHost({ spec, host }),
      }),
    ),
  );
}

const allHosts = (): ReachHost[] =>
  spec.hosts.map(({ name, nodes }) => ({
    host: name,
    listen: nodes.flatMap(({ port }) => [port, port + 10_000]),
    running: [],
  }));

/** A program that has the port, and says this to whoever calls. */
async function squat(index: number, port: number, word: string | null): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (word !== null) socket.end(word);
    else setTimeout(() => socket.destroy(), 5_000).unref();
  });
  servers.push(server);
  server.listen(port, hostAt(index).address);
  await once(server, 'listening');
}

/** What still listens for an exam on any host of this lab. */
async function listenersLeft(): Promise<string[]> {
  const { stdout } = await promisify(execFile)('pgrep', ['-a', 'redisforge-exam']).catch(() => ({ stdout: '' }));
  return stdout.split('\n').filter((line) => line !== '');
}

describe('the exam of the ports', () => {
  it('finds every pair open where nothing is in the way, quickly, and leaves no listener', async () => {
    const hosts = portsToExamine(spec, await surveyed());
    expect(hosts).toEqual(allHosts());
    const began = performance.now();
    expect(await activities.examinePorts({ spec, hosts })).toEqual({ failures: [], deaf: [], unexamined: [] });
    expect(performance.now() - began).toBeLessThan(3_000);
    await until('the listeners are gone', async () => (await listenersLeft()).length === 0);
  });

  it('is not mistaken for a taken port by whoever looks or starts at the same moment', async () => {
    const exams = Promise.all([1, 2, 3].map(() => activities.examinePorts({ spec, hosts: allHosts() })));
    const looks = await Promise.all([surveyed(), surveyed()]);
    for (const report of await exams) expect(report).toEqual({ failures: [], deaf: [], unexamined: [] });
    for (const outcome of looks.flat()) {
      expect(outcome.surveyed && outcome.survey.nodes.map(({ portTakenBy }) => portTakenBy)).toEqual([null]);
    }
  });

  it('names a host that cannot listen at its address, and goes on with the others', async () => {
    const elsewhere = { ...hostAt(1), address: '203.0.113.7' };
    const moved = { ...spec, hosts: spec.hosts.map((host, i) => (i === 1 ? elsewhere : host)) };
    const report = await activities.examinePorts({ spec: moved, hosts: allHosts() });
    expect(report.deaf.map(({ host, port }) => [host, port])).toEqual([
      ['h2', portAt(1)],
      ['h2', portAt(1) + 10_000],
    ]);
    expect(report.failures).toEqual([]);
    const [refusal] = reachRefusals({ spec: moved, surveys: [], reach: report });
    expect(refusal?.what).toContain(
      `Host h2 cannot listen on 203.0.113.7:${portAt(1)}: Cannot assign requested address`,
    );
    expect(refusal?.next).toContain('hosts[].address');
  });

  it.each([
    ['says something else', 'HTTP/1.1 400 Bad Request\r\n\r\n', /something else answered there \(it said: HTTP/],
    ['says the word of another host', null, /h1 answered in its place/],
  ])('names a pair where what answers %s', async (_title, said, message) => {
    // As of a node that runs, so that its host does not listen itself.
    await squat(1, portAt(1), said ?? `redisforge-exam ${spec.uid} h1\n`);
    const report = await activities.examinePorts({ spec, hosts: allHosts() });
    expect(report.deaf).toEqual([{ host: 'h2', port: portAt(1), why: 'Address already in use' }]);
    const strangers = await tried(portAt(1), hostAt(1).address, `redisforge-exam ${spec.uid} h2`);
    for (const [outcome = '', detail = ''] of strangers) {
      expect(outcome).toBe('stranger');
      const failure = { from: 'h1', to: 'h2', port: portAt(1), outcome: 'stranger', detail } as const;
      const reach = { failures: [failure], deaf: [], unexamined: [] };
      expect(reachRefusals({ spec, surveys: [], reach })[0]?.what).toMatch(message);
    }
  });

  it('takes a node that runs for its own listener', async () => {
    await squat(1, portAt(1), null);
    const hosts = allHosts().map((host, i) => (i === 1 ? { ...host, listen: [], running: [portAt(1)] } : host));
    expect(await activities.examinePorts({ spec, hosts })).toEqual({ failures: [], deaf: [], unexamined: [] });
  });

  it('names a port of a running node that refuses, with both hosts and the direction', async () => {
    const hosts = allHosts().map((host, i) => (i === 2 ? { ...host, listen: [], running: [portAt(2)] } : host));
    const report = await activities.examinePorts({ spec, hosts });
    expect(report.failures.map(({ from, to, port, outcome }) => [from, to, port, outcome]).sort()).toEqual([
      ['h1', 'h3', portAt(2), 'refused'],
      ['h2', 'h3', portAt(2), 'refused'],
    ]);
    const [refusal, ...others] = reachRefusals({ spec, surveys: [], reach: report });
    expect(others).toEqual([]);
    expect(refusal?.what).toContain(`cannot reach h3 at ${hostAt(2).address}:${portAt(2)}: refused`);
  });

  it('goes on where a host does not take part, and says so', async () => {
    const [, , third] = lab.hosts;
    if (third === undefined) throw new Error('no third host');
    await lab.driver.kill(third);
    try {
      const report = await activities.examinePorts({ spec, hosts: allHosts() });
      expect(report.failures).toEqual([]);
      expect(report.unexamined.map(({ host }) => host)).toEqual(['h3']);
    } finally {
      await lab.driver.start(third);
    }
  });

  it('does not wait for ever for a host that hangs, and names it', async () => {
    const [, , third] = lab.hosts;
    if (third === undefined) throw new Error('no third host');
    await activities.examinePorts({ spec, hosts: allHosts() });
    await lab.driver.freeze(third);
    try {
      const quick = { ...spec, timings: { ...spec.timings, commandMs: 6_000 } };
      const report = await activities.examinePorts({ spec: quick, hosts: allHosts() });
      expect(report.unexamined.map(({ host }) => host)).toEqual(['h3']);
      expect(report.failures).toEqual([]);
    } finally {
      await lab.driver.thaw(third);
    }
  });

  it('leaves no listener where the worker is killed', async () => {
    const own = createSshPool();
    const killed = createHostActivities({ ssh: own, secrets: randomSecrets(), helper: hostHelper() });
    const [, , third] = lab.hosts;
    if (third === undefined) throw new Error('no third host');
    await killed.examinePorts({ spec, hosts: allHosts() });
    await until('the listeners are gone', async () => (await listenersLeft()).length === 0);
    // The others wait for the host that hangs, and listen meanwhile.
    await lab.driver.freeze(third);
    const exam = killed.examinePorts({ spec, hosts: allHosts() });
    try {
      await until('two hosts listen', async () => (await listenersLeft()).length === 2);
      await own.close();
      await until('the listeners are gone', async () => (await listenersLeft()).length === 0);
    } finally {
      await lab.driver.thaw(third);
    }
    expect((await exam).unexamined).not.toEqual([]);
    await own.close();
  });
});

describe('a node that is started while somebody examines the ports', () => {
  it('waits for that moment to be over', async () => {
    const on = { spec, host: 'h1' };
    const token = (step: string) => ({ generation: 1, step, attempt: 1 });
    await activities.takeLease({ ...on, lease: leaseOf() });
    await activities.prepareHost({ ...on, token: token('prepare') });
    await activities.placeNode({ ...on, port: portAt(0), token: token('place') });
    const listener = listenFor(1_500, portAt(0), hostAt(0).address);
    await until('it listens', async () => (await listenersLeft()).length > 0);
    const started = await activities.startNode({ ...on, port: portAt(0), token: token('start') });
    expect(started.effects).toHaveLength(1);
    await listener;
    await activities.stopNode({ ...on, port: portAt(0), token: token('stop') });
  });
});

const HELPER = join(import.meta.dirname, '../../../activities/hosts/helper');

/** An exam's listener that ends after this time. */
async function listenFor(ms: number, port: number, address: string): Promise<void> {
  const child = spawn('perl', [join(HELPER, 'reach.pl'), '10', '1000', 'word', address, `${port}`]);
  child.stdin.on('error', () => undefined);
  const timer = setTimeout(() => child.stdin.end(), ms);
  await once(child, 'close');
  clearTimeout(timer);
}

/** Outcome and detail of one try by each of the two programs. */
async function tried(port: number, address: string, word: string): Promise<string[][]> {
  return Promise.all(
    PROGRAMS.map(async ([command, file]) => {
      const child = spawn(command, [join(HELPER, file), '10', '1000', 'me']);
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes('\nend\n')) child.stdin.end();
      });
      child.stdin.write(`0 ${address} ${port} ${word}\ngo\n`);
      await once(child, 'close');
      const line = said.split('\n').find((one) => one.startsWith('tried'));
      return (line ?? '').split('\t').slice(2);
    }),
  );
}

const PROGRAMS = [
  ['perl', 'reach.pl'],
  ['/usr/bin/python3', 'reach.py'],
] as const;

describe('the two programs of the exam', () => {
  it.each(PROGRAMS)(
    '%s: by itself it ends when its time is over, though nobody closed its stdin',
    async (command, file) => {
      const child = spawn(command, [join(HELPER, file), '1', '1000', 'me', '127.0.0.1', '0']);
      child.stdin.on('error', () => undefined);
      const began = performance.now();
      await once(child, 'close');
      expect(child.signalCode).toBe('SIGALRM');
      expect(performance.now() - began).toBeLessThan(5_000);
    },
  );

  it('give the same answers', async () => {
    await squat(1, portAt(1), 'hello\n');
    for (const [port, word, outcome] of [
      [portAt(1), 'hello', 'open'],
      [portAt(1), '-', 'open'],
      [portAt(1), 'other', 'stranger'],
      [portAt(1) + 1, 'hello', 'refused'],
    ] as const) {
      const answers = await tried(port, hostAt(1).address, word);
      expect(answers.map(([what]) => what)).toEqual([outcome, outcome]);
    }
  });

  it('say that a listener does not answer whose queue is full', async () => {
    const full = spawn('/usr/bin/python3', ['-c', FULL, hostAt(1).address, `${portAt(1)}`]);
    try {
      await once(full.stdout, 'data');
      expect(await tried(portAt(1), hostAt(1).address, 'word')).toEqual([
        ['silent', ''],
        ['silent', ''],
      ]);
    } finally {
      full.kill('SIGKILL');
    }
  });

  it('are chosen by what the host has', async () => {
    const bin = await mkdtemp(join(tmpdir(), 'redisforge-bin-'));
    const choose = await readFile(join(HELPER, 'reach.sh'), 'utf8');
    const run = async () => {
      const { stdout } = await promisify(execFile)(
        '/bin/sh',
        ['-c', choose, 'sh', 'print "perl @ARGV"', 'import sys; print("python", *sys.argv[1:])', 'a b'],
        {
          env: { PATH: bin },
        },
      );
      return stdout.trim();
    };
    try {
      expect(['without', 'python a b']).toContain(await run());
      await symlink('/usr/bin/python3', join(bin, 'python3'));
      expect(await run()).toBe('python a b');
      await symlink('/usr/bin/perl', join(bin, 'perl'));
      expect(await run()).toBe('perl a b');
    } finally {
      await rm(bin, { recursive: true });
    }
  });
});

/** Takes no connection: the kernel drops what does not fit the queue, as a firewall would. */
const FULL = `
import socket, sys, time
place = (sys.argv[1], int(sys.argv[2]))
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(place)
listener.listen(0)
callers = []
for _ in range(3):
    caller = socket.socket()
    caller.setblocking(False)
    caller.connect_ex(place)
    callers.append(caller)
time.sleep(0.3)
print('full', flush=True)
time.sleep(60)
`;
