import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { form } from '../../activities/redis/form.js';
import { writeSpec } from '../../config/write-spec.js';
import { place } from '../../domain/placement.js';
import type { Verdict } from '../../domain/verdict.js';
import { checkVerb } from '../../starters/verbs/check.js';
import { inspectVerb } from '../../starters/verbs/inspect.js';
import { statusVerb } from '../../starters/verbs/status.js';
import { CONFIRMED, TOKEN } from '../support/fence.js';
import { type RedisNodes, startRedisNodes } from '../support/redis-nodes.js';
import { runVerb } from '../support/run-verb.js';
import { until } from '../support/until.js';

const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMsz/9gFo0DsmGYcyvSE5gP6vWVkfAtm8KyOBjj9nrb9';

let nodes: RedisNodes;
let folder: string;
let file: string;
let names: string[];

beforeAll(async () => {
  nodes = await startRedisNodes();
  await form({ spec: nodes.spec, token: TOKEN, ...place(nodes.spec) }, { secrets: nodes.secrets, ...CONFIRMED });
  names = [...nodes.servers.keys()];
  folder = await mkdtemp(join(tmpdir(), 'redisforge-verdict-'));
  for (const [duty, value] of Object.entries(nodes.password))
    await writeFile(join(folder, duty), value, { mode: 0o600 });
  file = await writeFileIn('orders.yaml', specText('operator'));
});
afterAll(async () => {
  await nodes.stop();
  await rm(folder, { recursive: true, force: true });
});

async function writeFileIn(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

/** The running nodes as a spec file declares them. */
function specText(operatorSecret: string): string {
  const { hosts, name, uid } = nodes.spec;
  return writeSpec({
    apiVersion: 'redisforge/v1',
    name,
    uid,
    engine: { version: '7.0' },
    shape: { masters: 3, replicasPerMaster: 1 },
    ssh: { user: 'nobody', identityFile: '/nowhere/key', hostKeys: [HOST_KEY] },
    hosts: hosts.map((host, i) => ({
      name: host.name,
      ssh: { port: 2201 + i },
      zone: host.zone,
      address: host.address,
      root: `/nowhere/${host.name}`,
      nodes: host.nodes.map(({ port }) => port),
    })),
    redis: {
      maxmemory: '256mb',
      maxmemoryPolicy: 'noeviction',
      maxclients: 1000,
      nofile: 4096,
      nodeTimeout: '5s',
      replBacklog: '1mb',
      protectedMode: false,
      requireFullCoverage: true,
    },
    persistence: { data: 'cache', appendonly: false, save: '' },
    users: { app: { name: 'app', keys: '~*', channels: '&*', commands: '+@all -@dangerous' } },
    secrets: {
      operator: `file:${operatorSecret}`,
      replication: 'file:replication',
      app: 'file:app',
      admin: 'file:admin',
    },
  });
}

describe('status', () => {
  it('shows each shard with its replica in a table, and ends with 0', async () => {
    const { code, out, err } = await runVerb(statusVerb, folder, ['status', '-f', file, '--no-hosts']);
    expect([code, err]).toEqual([0, '']);
    const [head, , titles, ...rows] = out.split('\n');
    expect(head).toMatch(/^orders {2}healthy {2}6 of 6 nodes answer, as of 20/);
    expect(titles?.trim().split(/ {2,}/)).toEqual([
      ...['node', 'address', 'zone', 'role', 'slots', 'keys', 'memory', 'lag', 'version'],
    ]);
    const { masters, replicas } = place(nodes.spec);
    const shards = masters.flatMap(({ node }) => [node, replicas.find(({ of }) => of === node)?.node]);
    expect(rows.map((row) => row.trim().split(/\s+/)[1])).toEqual(shards);
    expect(rows[0]).toMatch(/^✓ +h\d:\d+ +127\.0\.0\.1:\d+ +z\d +master +0-5460 \(5461\) +0 +[\d.]+M\/256M +7\.0\.15$/);
  });

  it('says where no host can be asked from here, and judges the nodes all the same', async () => {
    const { code, out } = await runVerb(statusVerb, folder, ['status', '-f', file]);
    expect(code).toBe(0);
    expect(out).toMatch(/^orders {2}healthy {2}6 of 6 nodes answer, 1 warning/);
    expect(out).toMatch(/^warning HostUnreachable\n +None of the 6 hosts .*\/nowhere\/key.*\n +next: .*--no-hosts\.$/m);
  });

  it('gives scripts the documented shape', async () => {
    const { out } = await runVerb(statusVerb, folder, ['status', '-f', file, '--no-hosts', '--json']);
    const verdict = JSON.parse(out) as Verdict;
    expect(verdict).toMatchObject({ cluster: 'orders', healthy: true, findings: [] });
    expect(verdict.nodes).toHaveLength(6);
    for (const node of verdict.nodes) {
      expect(Object.keys(node)).toEqual(
        expect.arrayContaining([
          'id',
          'host',
          'address',
          'port',
          'zone',
          'role',
          'masterId',
          'slots',
          'keys',
          'usedMemoryBytes',
          'lagBytes',
          'version',
        ]),
      );
    }
  });

  it('ends with 1 where a node is down, and names it with what to do', async () => {
    const [first = ''] = names;
    await nodes.servers.get(first)?.kill();
    try {
      const { code, out } = await runVerb(statusVerb, folder, ['status', '-f', file]);
      expect(code).toBe(1);
      expect(out).toContain('orders  unhealthy');
      expect(out).toMatch(new RegExp(`^✗ +${first} .*master \\(silent\\)`, 'm'));
      expect(out).toMatch(
        new RegExp(`^error {3}DeadMaster {2}${first}\n +${first} at .*connection-refused.*\n +next: `, 'm'),
      );
    } finally {
      await nodes.servers.get(first)?.restart();
      await until('health', async () => (await runVerb(statusVerb, folder, ['status', '-f', file])).code === 0);
    }
  });

  it('ends with 4 where the secret of this machine opens no node, and never shows it', async () => {
    await writeFileIn('wrong', 'operator-0f9e8d7c6b5a49382716');
    const wrong = await writeFileIn('wrong.yaml', specText('wrong'));
    const { code, out } = await runVerb(statusVerb, folder, ['status', '-f', wrong]);
    expect(code).toBe(4);
    expect(out).toContain('WrongSecret');
    expect(out).not.toContain('0f9e8d7c6b5a49382716');
  });

  it('ends with 4 where a secret is missing, and with 2 where the spec is', async () => {
    const missing = await writeFileIn('missing.yaml', specText('not-there'));
    const { code, err } = await runVerb(statusVerb, folder, ['status', '-f', missing]);
    expect(code).toBe(4);
    expect(err).toContain(`file:${join(folder, 'not-there')}`);
    expect((await runVerb(statusVerb, folder, ['status', '-f', join(folder, 'no.yaml')])).code).toBe(2);
  });
});

describe('check', () => {
  it('shows a changed setting as drift with both values, and still ends with 0', async () => {
    const [first = ''] = names;
    await nodes.admin(first, 'CONFIG', 'SET', 'maxclients', 900);
    try {
      const { code, out } = await runVerb(checkVerb, folder, ['check', '-f', file]);
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`^warning ConfigDrift {2}${first}\n.*maxclients 900, the spec wants 1000`, 'm'));
      expect(out).not.toContain('0-5460');
    } finally {
      await nodes.admin(first, 'CONFIG', 'SET', 'maxclients', 1000);
    }
  });

  it('gives scripts the findings without the nodes', async () => {
    const { code, out } = await runVerb(checkVerb, folder, ['check', '-f', file, '--json']);
    expect(code).toBe(0);
    expect(Object.keys(JSON.parse(out) as object)).toEqual(['cluster', 'healthy', 'asOf', 'findings']);
  });
});

describe('inspect', () => {
  const inspect = (...argv: string[]) => runVerb(inspectVerb, folder, ['inspect', ...argv]);
  const node = () => `127.0.0.1:${names[0]?.split(':')[1]}`;

  it('judges a cluster from one node, without a spec', async () => {
    const { code, out } = await inspect(node(), '--user', 'admin', '--password', 'file:admin', '--json');
    expect(code).toBe(0);
    const verdict = JSON.parse(out) as Verdict;
    expect(verdict).toMatchObject({ healthy: true, findings: [] });
    expect(verdict.nodes).toHaveLength(6);
  });

  it('ends with 4 where it is not let in, and with 1 where nobody listens', async () => {
    expect((await inspect(node())).code).toBe(4);
    expect((await inspect('127.0.0.1:1')).code).toBe(1);
  });

  it.each([
    ['a password in the open', ['127.0.0.1:7000', '--password', 'hunter2-in-the-open'], '--password env:NAME'],
    ['a user without a password', ['127.0.0.1:7000', '--user', 'admin'], '--password'],
    ['no port', ['127.0.0.1'], 'host:port'],
    ['a port that is none', ['127.0.0.1:70000'], 'host:port'],
  ])('refuses %s as bad usage', async (_, argv, says) => {
    const { code, err } = await inspect(...argv);
    expect(code).toBe(2);
    expect(err).toContain(says);
    expect(err).not.toContain('hunter2');
  });
});
