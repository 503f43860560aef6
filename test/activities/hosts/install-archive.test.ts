import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHostActivities, type HostActivities } from '../../../activities/hosts/activities.js';
import { hostHelper } from '../../../activities/hosts/helper.js';
import { createSshPool, type SshPool } from '../../../activities/ssh/pool.js';
import type { ArchiveSpec, ClusterSpec } from '../../../domain/spec.js';
import { engineName, examinedServer } from '../../../domain/install.js';
import { digestOf } from '../../../lab/engine-folder.js';
import { type Engine, requireEngine } from '../../../lab/engines.js';
import { failureOf } from '../../support/failure.js';
import { startLab, type TestLab } from '../../support/lab.js';
import { until } from '../../support/until.js';
import { leaseOf, randomSecrets, specOfLab } from './lab-hosts.js';

const run = promisify(execFile);

let lab: TestLab;
let ssh: SshPool;
let activities: HostActivities;
let engine: Engine;
let folder: string;
let base: ClusterSpec;

beforeAll(async () => {
  engine = await requireEngine('redis-8.6');
  ssh = createSshPool();
  activities = createHostActivities({ ssh, secrets: randomSecrets(), helper: hostHelper() });
  folder = await mkdtemp(join(tmpdir(), 'redisforge-archives-'));
  lab = await startLab({ hosts: 1, nodesPerHost: 2 });
  base = { ...(await specOfLab(lab)), engine: { kind: 'redis', version: '8.6' } };
  base = { ...base, timings: { ...base.timings, installMs: 20_000 } };
}, 300_000);

afterAll(async () => {
  await ssh.close();
  await lab.down();
  await rm(folder, { recursive: true, force: true });
});

const root = () => lab.hosts[0]?.root ?? '';
const engines = async () => (await readdir(join(root(), 'engines')).catch(() => [])).sort();

function withArchive(archive: Partial<ArchiveSpec>, change: Partial<ClusterSpec> = {}): ClusterSpec {
  const install: ArchiveSpec = {
    method: 'archive',
    source: { from: 'file', path: engine.archive },
    sha256: engine.sha256,
    server: 'bin/redis-server',
    ...archive,
  };
  return { ...base, ...change, install };
}

function install(spec: ClusterSpec, { generation = 1, attempt = 1 } = {}) {
  const host = spec.hosts[0]?.name ?? '';
  return activities.installEngine({ spec, host, token: { generation, step: `installEngine/${host}`, attempt } });
}

async function claim(generation = 1): Promise<void> {
  const host = base.hosts[0]?.name ?? '';
  await activities.takeLease({ spec: base, host, lease: leaseOf({ generation, runId: `run-${generation}` }) });
}

/** A tarball of what `fill` puts into a folder. */
async function archiveOf(name: string, fill: (into: string) => Promise<void>): Promise<Partial<ArchiveSpec>> {
  const content = join(folder, name);
  await mkdir(join(content, 'bin'), { recursive: true });
  await fill(content);
  const path = join(folder, `${name}.tar.gz`);
  await run('tar', ['-czf', path, '-C', content, '.']);
  return { source: { from: 'file', path }, sha256: await digestOf(path) };
}

async function program(into: string, text = '#!/bin/sh\necho "Redis server v=8.6.3 sha=00000000:0"\n'): Promise<void> {
  await writeFile(join(into, 'bin/redis-server'), text);
  await chmod(join(into, 'bin/redis-server'), 0o755);
}

beforeEach(async () => {
  // A supervisor of a job may still be noting how it ended.
  await rm(root(), { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  await mkdir(root());
  await claim();
});

describe('an archive of the worker', () => {
  it('becomes an engine beside others, once, and nodes get links of their own', async () => {
    const spec = withArchive({});
    const [host] = spec.hosts;
    const [first, second] = host?.nodes ?? [];
    if (host === undefined || first === undefined || second === undefined) throw new Error('the lab has too few nodes');
    const { effects } = await install(spec);
    const name = engineName(spec.engine, { sha256: engine.sha256 });
    expect(effects).toEqual([`h1: received archive ${name}`, `h1: installed engine ${name}`]);
    expect((await install(spec, { attempt: 2 })).effects.filter((effect) => effect.includes('received'))).toEqual([]);
    expect(await engines()).toEqual([name]);
    const survey = await activities.surveyHost({ spec, host: host.name });
    expect(survey.exam.serverVersion).toMatch(/^Redis server v=8\.6\./);
    expect(survey.exam.missingTools).toEqual([]);

    const place = (port: number, chosen: ClusterSpec) =>
      activities.placeNode({
        spec: chosen,
        host: host.name,
        port,
        token: { generation: 1, step: `place/${port}`, attempt: 1 },
      });
    await place(first.port, spec);
    await place(second.port, spec);
    const other = withArchive(await archiveOf('other', program));
    await install(other, { attempt: 3 });
    const switched = await place(second.port, other);
    expect(switched.effects).toEqual([
      expect.stringMatching(/^h1: switched nodes\/\d+\/current from redis-8\.6-\S+ to redis-8\.6-/),
    ]);
    expect(await readlink(join(root(), `nodes/${first.port}/current`))).toBe(`../../engines/${name}`);
    expect(await engines()).toHaveLength(2);
    const { nodes } = await activities.surveyHost({ spec: other, host: host.name });
    expect(nodes.map(({ engine: link }) => link === name)).toEqual([true, false]);
    const started = { spec, host: host.name, port: first.port, token: { generation: 1, step: 'start', attempt: 1 } };
    expect((await activities.startNode(started)).effects).toHaveLength(1);
    await activities.stopNode({ ...started, token: { ...started.token, step: 'stop' } });
  });

  it('with another digest is refused with both digests before it is sent', async () => {
    const wanted = 'f'.repeat(64);
    const failure = await failureOf(install(withArchive({ sha256: wanted })));
    expect(failure.type).toBe('Refused');
    expect(failure.message).toContain(wanted);
    expect(failure.message).toContain(engine.sha256);
    expect(await engines()).toEqual([]);
  });

  it('that is not on the worker is said with the machine', async () => {
    const failure = await failureOf(
      install(withArchive({ source: { from: 'file', path: join(folder, 'nowhere.tar.gz') } })),
    );
    expect(failure.message).toMatch(/nowhere\.tar\.gz cannot be read on the worker's machine .*ENOENT/);
  });

  it('of another version than the spec wants is refused before anything runs with it, with both', async () => {
    const failure = await failureOf(install(withArchive({}, { engine: { kind: 'redis', version: '8.4' } })));
    expect(failure.message).toMatch(
      /the spec wants "Redis server v=8\.4".*says "Redis server v=8\.6\.\d+ .*engine\.version/,
    );
    expect(await engines()).toEqual([]);
    const kind = await failureOf(install(withArchive({}, { engine: { kind: 'valkey', version: '8.6' } })));
    expect(kind.message).toContain('the spec wants "Valkey server v=8.6"');
  });

  it('for another machine is refused with both architectures', async () => {
    const archive = await archiveOf('foreign', async (into) => {
      const binary = await readFile('/bin/true');
      binary.writeUInt16LE(process.arch === 'x64' ? 0xb7 : 0x3e, 18);
      await writeFile(join(into, 'bin/redis-server'), binary);
    });
    const failure = await failureOf(install(withArchive(archive)));
    const [foreign, own] = process.arch === 'x64' ? ['aarch64', 'x86_64'] : ['x86_64', 'aarch64'];
    expect(failure.message).toMatch(
      new RegExp(`built for ${foreign}, and the host is an? ${own} \\(Exec format error\\)`),
    );
    expect(await engines()).toEqual([]);
  });

  it.each(['xz', 'zstd', 'plain'] as const)('may be packed as %s', async (packing) => {
    const path = join(folder, `packed.${packing}`);
    const option = { xz: '-J', zstd: '--zstd', plain: '--format=ustar' }[packing];
    await mkdir(join(folder, 'packed/top/bin'), { recursive: true });
    await program(join(folder, 'packed/top'));
    await run('tar', ['-c', option, '-f', path, '-C', join(folder, 'packed'), 'top']);
    await install(withArchive({ source: { from: 'file', path }, sha256: await digestOf(path) }));
    expect(await readdir(join(root(), 'engines', (await engines())[0] ?? ''))).toEqual(['bin']);
  });
});

describe('a hostile archive is refused, and nothing of it stays', () => {
  const members: { what: string; says: RegExp; build: (name: string) => Promise<Partial<ArchiveSpec>> }[] = [
    {
      what: 'an absolute path',
      says: /path \/tmp\/redisforge-evil leads out/,
      build: (name) => listed(name, ['-P', '--transform', 's,evil,/tmp/redisforge-evil,']),
    },
    {
      what: 'a path upwards',
      says: /path \.\.\/\.\.\/evil leads out/,
      build: (name) => listed(name, ['-P', '--transform', 's,evil,../../evil,']),
    },
    {
      what: 'a link out of it',
      says: /link passwd leads to \/etc\/passwd/,
      build: (name) => archiveOf(name, (into) => filled(into, () => symlink('/etc/passwd', join(into, 'passwd')))),
    },
    {
      what: 'a link upwards',
      says: /link up leads to \.\.\/\.\.\/\.\./,
      build: (name) => archiveOf(name, (into) => filled(into, () => symlink('../../..', join(into, 'up')))),
    },
    {
      what: 'a pipe',
      says: /something else than files, folders and symbolic links/,
      build: (name) => archiveOf(name, (into) => filled(into, () => run('mkfifo', [join(into, 'pipe')]))),
    },
    {
      what: 'no server',
      says: /there is no file bin\/redis-server in it/,
      build: (name) => archiveOf(name, (into) => writeFile(join(into, 'bin/other'), '')),
    },
    {
      what: 'a server that is a folder',
      says: /there is no file bin\/redis-server in it/,
      build: (name) => archiveOf(name, async (into) => void (await mkdir(join(into, 'bin/redis-server')))),
    },
    {
      what: 'a server that does not run',
      says: /does not run: .*no-such-library/,
      build: (name) => archiveOf(name, (into) => program(into, '#!/bin/sh\necho no-such-library >&2\nexit 127\n')),
    },
    { what: 'no tar at all', says: /Refused|refused/, build: damaged },
  ];

  async function filled(into: string, more: () => Promise<unknown>): Promise<void> {
    await program(into);
    await more();
  }

  async function listed(name: string, options: readonly string[]): Promise<Partial<ArchiveSpec>> {
    const content = join(folder, name);
    await mkdir(content);
    await writeFile(join(content, 'evil'), 'evil');
    const path = join(folder, `${name}.tar`);
    await run('tar', ['-cf', path, ...options, '-C', content, 'evil']);
    return { source: { from: 'file', path }, sha256: await digestOf(path) };
  }

  async function damaged(name: string): Promise<Partial<ArchiveSpec>> {
    const path = join(folder, `${name}.tar.gz`);
    await copyFile(engine.archive, path);
    await writeFile(path, (await readFile(path)).subarray(0, 100_000));
    return { source: { from: 'file', path }, sha256: await digestOf(path) };
  }

  it.each(members.map((member, i) => ({ ...member, i })))('$what', async ({ says, build, i }) => {
    const failure = await failureOf(install(withArchive(await build(`hostile-${i}`))));
    expect(failure.type).toBe('Refused');
    expect(failure.message).toMatch(says);
    expect(await engines()).toEqual([]);
    expect(await readdir('/tmp')).not.toContain('redisforge-evil');
  });
});

describe('an archive from a server', () => {
  let server: Server;
  let url: string;
  let asked: string[];
  beforeAll(async () => {
    const bytes = await readFile(engine.archive);
    server = createServer((request, response) => {
      asked.push(request.headers['user-agent'] ?? '');
      if (request.url !== '/redis.tar.gz') response.writeHead(404).end();
      else response.end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    asked = [];
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });

  it.each(['worker', 'host'] as const)('is fetched by the %s', async (via) => {
    await install(withArchive({ source: { from: 'url', url: `${url}/redis.tar.gz`, via } }));
    expect(await engines()).toHaveLength(1);
    expect(asked).toHaveLength(1);
    expect(/curl|wget/i.test(asked[0] ?? '')).toBe(via === 'host');
  });

  it.each(['worker', 'host'] as const)(
    'that has another digest is refused with both, fetched by the %s',
    async (via) => {
      const wanted = createHash('sha256').update('another').digest('hex');
      const spec = withArchive({ source: { from: 'url', url: `${url}/redis.tar.gz`, via }, sha256: wanted });
      const failure = await failureOf(install(spec));
      expect(failure.message).toContain(wanted);
      expect(failure.message).toContain(engine.sha256);
      expect(await engines()).toEqual([]);
    },
  );

  it.each(['worker', 'host'] as const)('that is not there is said, and tried again, asked by the %s', async (via) => {
    const failure = await failureOf(install(withArchive({ source: { from: 'url', url: `${url}/gone.tar.gz`, via } })));
    expect(failure.type).toBe('HostUnreachable');
    expect(failure.message).toMatch(/gone\.tar\.gz.*404/);
  });
});

describe('an installation that is cut off', () => {
  /** A server that takes its time until the file is there. */
  const slow = (gate: string) =>
    `#!/bin/sh\nwhile [ ! -e ${gate} ]; do sleep 0.05; done\necho "Redis server v=8.6.3 sha=00000000:0"\n`;

  it('goes on without the connection, and whoever asks again waits for the same job', async () => {
    const gate = join(folder, 'gate-connection');
    const spec = withArchive(await archiveOf('slow', (into) => program(into, slow(gate))));
    const cut = install(spec).catch((error: unknown) => error);
    await until('the job runs', async () => (await engines()).some((name) => name.endsWith('.new')));
    const broken = createSshPool();
    await ssh.close();
    ssh = broken;
    activities = createHostActivities({ ssh, secrets: randomSecrets(), helper: hostHelper() });
    const again = install(spec, { attempt: 2 });
    await writeFile(gate, '');
    await again;
    await cut;
    expect(await engines()).toEqual([
      engineName(spec.engine, { sha256: spec.install.method === 'archive' ? spec.install.sha256 : '' }),
    ]);
    const journal = await activities.readJournal({ spec, host: 'h1' });
    expect(journal.filter(({ effect }) => effect === 'engine.installed')).toHaveLength(1);
    expect(journal.filter(({ effect }) => effect === 'job.started')).toHaveLength(1);
  });

  it('by kill -9 in the middle leaves nothing that is used, and is done by the next operation', async () => {
    const gate = join(folder, 'gate-kill');
    const spec = withArchive(await archiveOf('killed', (into) => program(into, slow(gate))));
    const attempt = failureOf(install(spec));
    await until('the job runs', async () => (await engines()).some((name) => name.endsWith('.new')));
    const [pid = ''] = (
      await readFile(join(root(), 'jobs', (await readdir(join(root(), 'jobs')))[0] ?? '', 'pid'), 'utf8')
    ).split(' ');
    process.kill(-Number((await run('ps', ['-o', 'pgid=', '-p', pid])).stdout), 'SIGKILL');
    expect((await attempt).message).toMatch(/ended in the middle/);
    const exam = (await activities.surveyHost({ spec, host: 'h1' })).exam;
    expect(exam.serverVersion, examinedServer(spec, spec.hosts[0] ?? base.hosts[0]!)).toBeNull();
    await writeFile(gate, '');
    await claim(2);
    await install(spec, { generation: 2 });
    expect(await engines()).toHaveLength(1);
  });
});
