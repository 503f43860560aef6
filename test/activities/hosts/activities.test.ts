import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHostActivities, type HostActivities } from '../../../activities/hosts/activities.js';
import { hostHelper } from '../../../activities/hosts/helper.js';
import { createSshPool, type SshPool } from '../../../activities/ssh/pool.js';
import { renderNodeFiles } from '../../../config/render.js';
import { resolveSecrets } from '../../../config/secrets.js';
import { ForgeError } from '../../../domain/errors.js';
import { examRefusals } from '../../../domain/exam.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import type { NodeSurvey, StepToken } from '../../../domain/survey.js';
import { startLab, type TestLab } from '../../support/lab.js';
import { until } from '../../support/until.js';
import { leaseOf, randomSecrets, specOfLab } from './lab-hosts.js';

const secrets = randomSecrets();
const helper = hostHelper();

let lab: TestLab;
let ssh: SshPool;
let spec: ClusterSpec;
let activities: HostActivities;

beforeAll(() => {
  ssh = createSshPool();
  activities = createHostActivities({ ssh, secrets, helper });
});

afterAll(() => ssh.close());

function tokenOf(step: string, attempt = 1): StepToken {
  return { generation: 1, step, attempt };
}

async function failure(work: Promise<unknown>): Promise<ForgeError> {
  const end = await work.catch((error: unknown) => error);
  if (end instanceof ForgeError) return end;
  throw new Error('a ForgeError was expected', { cause: end });
}

/** The one host of the lab and its first node. */
function place() {
  const [host] = spec.hosts;
  const [node] = host?.nodes ?? [];
  if (host === undefined || node === undefined) throw new Error('the lab has no node');
  return { host, port: node.port, on: { spec, host: host.name }, at: { spec, host: host.name, port: node.port } };
}

const nodeNow = async (): Promise<NodeSurvey | undefined> => (await activities.surveyHost(place().on)).nodes[0];
const effectsInJournal = async () => (await activities.readJournal(place().on)).map(({ effect }) => effect);

/** Lease, folders and files: everything before a start. */
async function placed(): Promise<void> {
  const { on, at } = place();
  await activities.takeLease({ ...on, lease: leaseOf() });
  await activities.prepareHost({ ...on, token: tokenOf('prepare') });
  await activities.placeNode({ ...at, token: tokenOf('place') });
}

const start = (attempt = 1) => activities.startNode({ ...place().at, token: tokenOf('start', attempt) });

async function freshHost(): Promise<void> {
  await lab?.down();
  lab = await startLab({ hosts: 1 });
  spec = await specOfLab(lab);
}

afterAll(() => lab.down());

describe('a bare host', () => {
  beforeAll(freshHost);

  it('is surveyed without being touched', async () => {
    const { host, on } = place();
    const survey = await activities.surveyHost(on);
    expect(survey.record).toEqual({ helperSha256: null, cluster: null, generation: 0, lease: null, identities: {} });
    expect(survey.nodes).toEqual([
      {
        port: place().port,
        files: { config: null, acl: null, service: null },
        engine: null,
        service: { state: 'absent' },
        method: null,
        nofile: null,
        data: [],
        portTakenBy: null,
      },
    ]);
    expect(survey.exam.serverVersion).toMatch(/^Redis server v=7\.0\./);
    expect(survey.exam.memoryBytes).toBeGreaterThan(survey.exam.memoryAvailableBytes);
    expect(survey.exam).toMatchObject({ clockSkewMs: 0, missingTools: [], rootProblem: null });
    expect(examRefusals({ spec, survey })).toEqual([]);
    expect(await readdir(host.root)).toEqual([]);
    expect(await activities.readJournal(on)).toEqual([]);
  });

  it('without the server program, or with a root that is a file, is refused by the exam', async () => {
    const { host, on } = place();
    const install = { method: 'preinstalled', server: '/nowhere/redis-server' } as const;
    const hosts = [{ ...host, root: `${host.root}/file/root` }];
    await writeFile(join(host.root, 'file'), '');
    const survey = await activities.surveyHost({ ...on, spec: { ...spec, install, hosts } });
    const refused = examRefusals({ spec: { ...spec, install }, survey }).map(({ what }) => what);
    expect(refused.join('\n')).toContain('has no program /nowhere/redis-server');
    expect(refused.join('\n')).toContain('file is not a folder');
  });
});

describe('an operation on a host', () => {
  beforeAll(freshHost);

  it('takes the lease, which installs the helper and claims the host', async () => {
    const { on } = place();
    const record = await activities.takeLease({ ...on, lease: leaseOf() });
    expect(record).toEqual({
      helperSha256: helper.sha256,
      cluster: { name: spec.name, uid: spec.uid },
      generation: 1,
      lease: leaseOf(),
      identities: {},
    });
    expect((await activities.surveyHost(on)).record).toEqual(record);
  });

  it('brings a node up, and finds everything as wanted the second time', async () => {
    const { host, port, on, at } = place();
    const all = async () => {
      const prepared = await activities.prepareHost({ ...on, token: tokenOf('prepare') });
      const files = await activities.placeNode({ ...at, token: tokenOf('place') });
      const started = await start();
      return [prepared, files, started].flatMap(({ effects }) => effects);
    };
    expect(await all()).toHaveLength(2 + 4 + 3 + 1);
    expect(await all()).toEqual([]);

    const rendered = renderNodeFiles({ spec, host, port, secrets: await resolveSecrets({ spec, resolve: secrets }) });
    const node = await nodeNow();
    expect(node?.files).toEqual(Object.fromEntries(rendered.map(({ role, sha256 }) => [role, sha256])));
    expect(node?.service.state).toBe('running');
    expect(node?.portTakenBy).toBe(null);
    expect(await activities.readLog({ ...at, lines: 50 })).toContain('Ready to accept connections');
  });

  it('leaves each effect in the journal exactly once', async () => {
    const effects = await effectsInJournal();
    expect(effects.filter((effect) => effect === 'node.started')).toHaveLength(1);
    expect(effects.filter((effect) => effect === 'file.created')).toHaveLength(3);
    const [line] = await activities.readJournal(place().on);
    expect(line).toMatchObject({ generation: 1, step: 'takeLease', attempt: 0, effect: 'helper.installed' });
    expect(line?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  it('sees how a node ended, and starts it again once, however often it is asked at once', async () => {
    const before = await nodeNow();
    if (before?.service.state !== 'running') throw new Error('the node should run');
    process.kill(before.service.pid, 'SIGKILL');
    const after = await until('the end is noted', async () => {
      const now = await nodeNow();
      return now?.service.state === 'exited' && now.service.exitCode !== null && now.service;
    });
    expect(after.exitCode).toBe(137);
    const results = await Promise.all([start(2), start(2), start(2), start(2)]);
    expect(results.flatMap(({ effects }) => effects)).toHaveLength(1);
    expect((await effectsInJournal()).filter((effect) => effect === 'node.started')).toHaveLength(2);
  });

  it('is fenced off where its attempt or generation is not the newest', async () => {
    const { on, at } = place();
    const older = await failure(start(1));
    expect(older.type).toBe('Fenced');
    expect(older.text.what).toContain('attempt 1 of step start came after attempt 2');
    const lease = leaseOf({ generation: 2, runId: 'run-2' });
    await activities.takeLease({ ...on, lease });
    const zombie = await failure(activities.stopNode({ ...at, token: tokenOf('stop') }));
    expect(zombie.type).toBe('Fenced');
    expect(zombie.text.what).toContain('is at generation 2');
    expect((await nodeNow())?.service.state).toBe('running');
  });

  it('stops a node, keeps its data when it is removed, and leaves the host to the next', async () => {
    const { host, port, on, at } = place();
    const token = { generation: 2, step: 'end', attempt: 1 };
    const running = await failure(activities.removeNode({ ...at, token, data: 'keep' }));
    expect(running.type).toBe('Refused');
    expect((await activities.stopNode({ ...at, token })).effects).toHaveLength(1);
    expect((await activities.stopNode({ ...at, token })).effects).toEqual([]);
    expect((await nodeNow())?.service).toEqual({ state: 'stopped' });

    expect((await activities.removeNode({ ...at, token, data: 'keep' })).effects).toHaveLength(1);
    expect((await activities.removeNode({ ...at, token, data: 'keep' })).effects).toEqual([]);
    expect((await readdir(join(host.root, 'nodes', `${port}`))).sort()).toEqual(['data', 'log']);
    expect((await activities.releaseHost({ ...on, token, data: 'keep' })).effects).toHaveLength(1);
    expect((await activities.releaseLease({ ...on, token })).effects).toHaveLength(1);
    expect((await activities.releaseLease({ ...on, token })).effects).toEqual([]);
    const { record } = await activities.surveyHost(on);
    expect(record).toMatchObject({ cluster: { uid: spec.uid }, generation: 2, lease: null });
  });

  it('takes everything away where that is wanted, and may be asked again', async () => {
    const { host, on, at } = place();
    await activities.takeLease({ ...on, lease: leaseOf({ generation: 3, runId: 'run-3' }) });
    const token = { generation: 3, step: 'end', attempt: 1 };
    const early = await failure(activities.releaseHost({ ...on, token, data: 'delete' }));
    expect(early.text.what).toContain('is still there');
    await activities.removeNode({ ...at, token, data: 'delete' });
    expect((await activities.releaseHost({ ...on, token, data: 'delete' })).effects).toHaveLength(1);
    expect((await activities.releaseHost({ ...on, token, data: 'delete' })).effects).toEqual([]);
    expect((await activities.releaseLease({ ...on, token })).effects).toEqual([]);
    await expect(readdir(host.root)).rejects.toThrow('ENOENT');
  });
});

describe('who holds a host', () => {
  beforeAll(freshHost);

  it('is named to another cluster, another server and an older generation', async () => {
    const { on } = place();
    await activities.takeLease({ ...on, lease: leaseOf() });
    const other = { ...spec, name: 'other', uid: '00000000-0000-4000-8000-000000000000' };
    const foreign = await failure(activities.takeLease({ ...on, spec: other, lease: leaseOf({ generation: 2 }) }));
    expect(foreign.type).toBe('Refused');
    expect(foreign.text.what).toBe(`Host h1 belongs to cluster ${spec.name} (uid ${spec.uid}).`);

    const lease = leaseOf({ server: 'namespace-2', runId: 'run-2', generation: 2 });
    const locked = await failure(activities.takeLease({ ...on, lease }));
    expect(locked.type).toBe('Locked');
    for (const part of ['anna', 'apply', '2026-11-21T08:00:00.000Z', 'namespace-1', 'run-1']) {
      expect(locked.text.what).toContain(part);
    }
    expect(locked.text.next).toContain('--break-lease run-1');

    const late = await failure(activities.takeLease({ ...on, lease: leaseOf({ runId: 'run-0' }) }));
    expect(late.type).toBe('Fenced');
    expect((await activities.surveyHost(on)).record.lease).toEqual(leaseOf());
    expect((await activities.takeLease({ ...on, lease, breakLease: 'run-1' })).lease).toEqual(lease);
  });

  it('may have a name that would break a line', async () => {
    const { on } = place();
    const lease = leaseOf({
      server: 'namespace-2',
      runId: 'run-2',
      generation: 3,
      actor: "o'brien\n\tgeneration\t99 $(id)",
    });
    const { lease: noted } = await activities.takeLease({ ...on, lease });
    expect(noted).toMatchObject({ actor: "o'brien generation 99 $(id)", generation: 3 });
  });
});

describe('a node that cannot start', () => {
  let server: Server | undefined;

  beforeEach(async () => {
    await freshHost();
    await placed();
  });

  const listen = (address: string, port: number) =>
    new Promise<void>((resolve, reject) => {
      server = createServer().once('error', reject).listen({ host: address, port }, resolve);
    });
  const close = () =>
    new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));

  it('because of its configuration shows the end of its log, without a secret', async () => {
    const { host, port } = place();
    const config = join(host.root, 'nodes', `${port}`, 'redis.conf');
    await writeFile(config, `port ${port}\nno-such-directive yes\n`);
    const error = await failure(start());
    expect(error.type).toBe('NodeWontStart');
    expect(error.text.what).toContain(`start of h1:${port}`);
    expect(error.text.what).toContain('no-such-directive');

    await writeFile(config, `port ${port}\nmasterauth one two-canary\n`);
    const secretive = await failure(start());
    expect(secretive.message).toContain('left out');
    expect(secretive.message).not.toContain('canary');
    expect((await nodeNow())?.service).toMatchObject({ state: 'exited', exitCode: 1 });
  });

  it('because its log file tells why, shows that', async () => {
    const { host, port, at } = place();
    await mkdir(join(host.root, 'nodes', `${port}`, 'data', 'nodes.conf'));
    const error = await failure(start());
    expect(error.type).toBe('NodeWontStart');
    expect(error.text.what).toContain("Can't open nodes.conf");
    expect(await activities.readLog({ ...at, lines: 1 })).toContain("Can't open nodes.conf");
  });

  it('because its limit of open files cannot be set says so', async () => {
    const greedy = { ...spec, redis: { ...spec.redis, nofile: 2 ** 30 + 1 } };
    const error = await failure(activities.startNode({ ...place().at, spec: greedy, token: tokenOf('start') }));
    expect(error.type).toBe('NodeWontStart');
    expect(error.text.what).toMatch(/limit/);
    const survey = await activities.surveyHost({ ...place().on, spec: greedy });
    expect(
      examRefusals({ spec: greedy, survey })
        .map(({ what }) => what)
        .join(),
    ).toContain('open files');
  });

  it.each(['client', 'bus'] as const)('because its %s port is taken names who has it', async (which) => {
    const { host, port, on } = place();
    const taken = which === 'client' ? port : port + 10_000;
    await listen(host.address, taken);
    try {
      const error = await failure(start());
      expect(error.type).toBe('NodeWontStart');
      expect(error.text.what).toContain(`port ${taken} by`);
      expect(error.text.what).toContain(`(pid ${process.pid})`);
      const survey = await activities.surveyHost(on);
      expect(survey.nodes[0]?.portTakenBy).toContain(`(pid ${process.pid}) on port ${taken}`);
      expect(examRefusals({ spec, survey })[0]?.what).toContain(`The ports of h1:${port} are taken`);
      expect(await effectsInJournal()).not.toContain('node.started');
    } finally {
      await close();
    }
  });

  it('is not hindered by the same port on another address', async () => {
    await listen('127.0.0.1', place().port);
    try {
      expect((await start()).effects).toHaveLength(1);
    } finally {
      await close();
    }
  });
});

describe('a lost connection', () => {
  beforeAll(freshHost);

  it('ends neither a node nor a job', async () => {
    await placed();
    const { host } = place();
    const ending = 'read -r line <"$1"; echo over; exit 4';
    const pipe = join(host.root, 'pipe');
    const order = (...words: string[]) =>
      ssh.run({
        access: host.ssh,
        host: host.name,
        argv: [
          join(host.root, 'bin/redisforge-host'),
          '--generation',
          '1',
          '--step',
          'job',
          '--attempt',
          '1',
          ...words,
        ],
        deadlineMs: 10_000,
        connectMs: 10_000,
      });
    const own = createSshPool();
    const through = createHostActivities({ ssh: own, secrets, helper });
    await through.startNode({ ...place().at, token: tokenOf('start') });
    await own.close();
    await order('job', 'start', 'pipe', '--', 'mkfifo', pipe);
    await order('job', 'start', 'wait', '--', 'sh', '-c', ending, 'sh', pipe);
    await ssh.close();
    expect((await order('job', 'status', 'wait')).stdout).toContain('job\twait\trunning');
    expect((await nodeNow())?.service.state).toBe('running');
    await writeFile(pipe, 'go\n');
    const { stdout } = await until('the job has ended', async () => {
      const status = await order('job', 'status', 'wait');
      return status.stdout.includes('exited') && status;
    });
    expect(stdout).toMatch(/^job\twait\texited\t\d+\t4\t.*\noutput\tover\n$/);
  });
});
