import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { confValue } from '../../config/redis-quote.js';
import { renderNodeFiles, wantedSettings } from '../../config/render.js';
import { type NodeSecrets, Secret } from '../../config/secrets.js';
import type { ClusterSpec, HostSpec } from '../../domain/spec.js';
import { freePorts } from '../support/ports.js';
import { type RenderedNode, startRenderedNode } from '../support/rendered-node.js';
import { hostOf, specOf } from '../support/spec.js';
import { until } from '../support/until.js';

/** Everything that redis.conf, an ACL file or a shell gives a meaning to. */
const HOSTILE = `"quo'ted" \\back\\x00 #no comment $HOME \`id\` ; ü€🔑 \t\r\n\u0000\u0001 >~*&*`;

const secrets: NodeSecrets = {
  operator: { current: new Secret(`operator ${HOSTILE}`), next: new Secret(`operator next ${HOSTILE}`) },
  replication: { current: new Secret(`replication ${HOSTILE}`) },
  app: { current: new Secret(`app ${HOSTILE}`) },
  admin: { current: new Secret(`admin ${HOSTILE}`) },
};

describe('rendered files on a real redis-server', { timeout: 60_000 }, () => {
  let root: string;
  let spec: ClusterSpec;
  let host: HostSpec;
  const nodes: RenderedNode[] = [];

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'redisforge "render" é\'s #'));
    const ports = await freePorts(2);
    host = hostOf('h1', { address: '127.0.0.1', root, nodes: ports.map((port) => ({ port })) });
    spec = specOf({
      hosts: [host],
      users: { app: APP },
      redis: { ...specOf().redis, nodeTimeoutMs: 2000, extra: EXTRA },
    });
    nodes.push(...(await Promise.all(ports.map((port) => startRenderedNode({ spec, host, port, secrets })))));
  }, 60_000);

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await rm(root, { recursive: true, force: true });
  });

  const APP = { name: 'app', keys: '~*', channels: '&*', commands: '+@all -@admin -@dangerous +info' };
  const EXTRA = {
    'client-output-buffer-limit': 'replica 64mb 32mb 60',
    'notify-keyspace-events': 'Ex',
    'tcp-keepalive': '120',
    'hash-max-listpack-value': '1kb',
  };

  const [first, second] = [() => at(nodes, 0), () => at(nodes, 1)];

  it.each(['operator', 'replication', 'app', 'admin'] as const)('lets %s in with its secret', async (duty) => {
    expect(await first().as(duty).call('PING')).toBe('PONG');
  });

  it('lets the operator in with its next secret as well, and with no other', async () => {
    const login = (password: string) => first().connect({ username: 'redisforge-operator', password });
    expect(await login(secrets.operator.next?.reveal() ?? '').call('PING')).toBe('PONG');
    await expect(login(secrets.app.current.reveal()).call('PING')).rejects.toThrow('WRONGPASS');
  });

  it('has a default user that nobody can be', async () => {
    await expect(first().connect(null).call('PING')).rejects.toThrow('NOAUTH');
    await expect(first().connect({ username: 'default', password: '' }).call('PING')).rejects.toThrow(
      /WRONGPASS|NOAUTH/,
    );
    const users = (await first().as('admin').call('ACL', 'LIST')) as string[];
    expect(users.find((line) => line.startsWith('user default'))).toMatch(
      /^user default off (sanitize-payload )?~\* resetchannels -@all \+@write \+pfcount$/,
    );
  });

  it('gives each user its rights and no more', async () => {
    const admin = first().as('admin');
    const outcome = async (user: string, command: string) =>
      String(await admin.call('ACL', 'DRYRUN', user, ...command.split(' '))) === 'OK' ? 'may' : 'may not';
    const rows = RIGHTS.flatMap(({ user, may, mayNot }) => [
      ...may.map((command) => [user, 'may', command]),
      ...mayNot.map((command) => [user, 'may not', command]),
    ]);
    const found = await Promise.all(
      rows.map(async ([user = '', , command = '']) => [user, await outcome(user, command), command]),
    );
    expect(found).toEqual(rows);
  });

  it('runs with the settings of the spec, as CONFIG GET prints them', async () => {
    const operator = first().as('operator');
    const wanted = wantedSettings(spec);
    const running = await Promise.all(
      Object.keys(wanted).map(async (name) => {
        const reply = await operator.call('CONFIG', 'GET', name);
        return [name, Array.isArray(reply) ? reply[1] : reply] as const;
      }),
    );
    expect(Object.fromEntries(running)).toEqual(wanted);
    expect(wanted['hash-max-listpack-value']).toBe('1024');
    expect(wanted).not.toHaveProperty('notify-keyspace-events');
    const limits = await operator.call('CONFIG', 'GET', 'client-output-buffer-limit');
    expect(String(limits)).toContain('slave 67108864 33554432 60');
  });

  it('replicates with the hostile secret, and annotates the log with times', async () => {
    const [master, replica] = [first().as('admin'), second().as('admin')];
    await master.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await replica.call('CLUSTER', 'MEET', '127.0.0.1', String(at(host.nodes, 0).port));
    const id = String(await master.call('CLUSTER', 'MYID'));
    await until('the nodes know each other', async () => (await replica.call('CLUSTER', 'REPLICATE', id)) === 'OK');
    await until(
      'the replica is in sync',
      async () => /master_link_status:up/.test(await replica.info('replication')),
      30_000,
    );
    const app = first().as('app');
    await until('the cluster takes writes', async () => (await app.set('orders:1', 'paid')) === 'OK');
    expect(await first().as('admin').wait(1, 5000)).toBe(1);
    const logs = join(root, 'nodes', String(at(host.nodes, 0).port), 'data', 'appendonlydir');
    const tail = (await readdir(logs)).filter((file) => file.endsWith('.incr.aof'));
    expect(await readFile(join(logs, at(tail, 0)), 'utf8')).toMatch(/^#TS:\d+/);
  });
});

const RIGHTS = [
  {
    user: 'redisforge-operator',
    may: [
      'PING',
      'INFO',
      'ROLE',
      'DBSIZE',
      'CONFIG GET maxmemory',
      'CLUSTER NODES',
      'ACL LIST',
      'ACL SETUSER x',
      'ACL DELUSER x',
      'COMMAND',
      'READONLY',
      'LASTSAVE',
    ],
    mayNot: [
      'GET k',
      'SET k v',
      'DEL k',
      'SCAN 0',
      'KEYS *',
      'FLUSHALL',
      'EVAL x 0',
      'SHUTDOWN',
      'DEBUG SLEEP 1',
      'CONFIG REWRITE',
      // What changes a node is done as the fence user of an attempt.
      'CONFIG SET maxmemory 1',
      'CLUSTER MEET 127.0.0.1 1',
      'CLUSTER FAILOVER',
      'CLUSTER SETSLOT 1 STABLE',
      'CLUSTER RESET',
      'CLIENT KILL ID 1',
      'BGSAVE',
      'ACL LOAD',
      'ACL SAVE',
      'MIGRATE h 1 k 0 1',
      'RESTORE k 0 v',
      'PSYNC x 1',
      'SUBSCRIBE c',
    ],
  },
  {
    user: 'redisforge-replication',
    may: ['PSYNC ? -1', 'REPLCONF ack 1', 'PING'],
    mayNot: ['GET k', 'SET k v', 'INFO', 'CONFIG GET maxmemory', 'CLUSTER NODES', 'SYNC', 'ACL LIST', 'SUBSCRIBE c'],
  },
  {
    user: 'app',
    may: [
      'GET k',
      'SET k v',
      'EVAL x 0',
      'SCAN 0',
      'SUBSCRIBE c',
      'SPUBLISH c m',
      'INFO',
      'CLUSTER SLOTS',
      'CLUSTER SHARDS',
      'CLUSTER NODES',
      'CLUSTER INFO',
      'READONLY',
      'COMMAND',
      'CLIENT SETNAME x',
      'CLIENT ID',
      'ASKING',
    ],
    mayNot: [
      'FLUSHALL',
      'KEYS *',
      'CONFIG GET maxmemory',
      'CLUSTER RESET',
      'CLUSTER FAILOVER',
      'ACL LIST',
      'DEBUG SLEEP 1',
      'SHUTDOWN',
      'REPLICAOF NO ONE',
      'CLIENT KILL ID 1',
    ],
  },
  {
    user: 'admin',
    may: ['FLUSHALL', 'CONFIG SET maxmemory 1', 'SHUTDOWN', 'GET k', 'ACL SETUSER x', 'SUBSCRIBE c'],
    mayNot: [],
  },
];

describe('rendered text', () => {
  it('has a line for each user, however the rights were broken into lines', () => {
    const host = hostOf('h1');
    const users = { app: { name: 'app', keys: '~a:*\n~b:*', channels: '&a\t&b', commands: '+get \r\n+set' } };
    const files = renderNodeFiles({ spec: specOf({ hosts: [host], users }), host, port: 6379, secrets });
    const acl = files.find(({ role }) => role === 'acl')?.content ?? '';
    expect(acl.split('\n').map((line) => line.split(' ')[0])).toEqual([...Array.from({ length: 5 }, () => 'user'), '']);
    expect(acl).toContain(' resetkeys ~a:* ~b:* resetchannels &a &b -@all +get +set\n');
  });

  const request = { spec: specOf(), host: hostOf('h1'), port: 6379, secrets };

  it('is the same for the same request, readable for the owner alone, and below the root', () => {
    expect(renderNodeFiles(request)).toEqual(renderNodeFiles(request));
    for (const file of renderNodeFiles(request)) {
      expect(file.mode).toBe('600');
      expect(file.path.startsWith('/var/lib/redisforge/nodes/6379/')).toBe(true);
      expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it('holds no password in the ACL file and only that of replication in redis.conf', () => {
    const known: NodeSecrets = {
      operator: { current: new Secret('canary-operator') },
      replication: { current: new Secret('canary-replication') },
      app: { current: new Secret('canary-app') },
      admin: { current: new Secret('canary-admin') },
    };
    const text = renderNodeFiles({ ...request, secrets: known })
      .map(({ content }) => content)
      .join('\n');
    expect(text.match(/canary-[a-z]+/g)).toEqual(['canary-replication']);
  });

  it('leaves out of a Redis 6.2 what it would not start with', () => {
    const old = wantedSettings(specOf({ engine: { kind: 'redis', version: '6.2' } }));
    expect(old).not.toHaveProperty('aof-timestamp-enabled');
    expect(wantedSettings(specOf({ engine: { kind: 'valkey', version: '8.1' } }))['aof-timestamp-enabled']).toBe('yes');
  });

  it('quotes any text on one line of printable ASCII', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(confValue(text)).toMatch(/^[\x20-\x7e]+$/);
      }),
    );
    expect(confValue('a b"c')).toBe('"a b\\"c"');
  });
});

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`no item ${index}`);
  return item;
}
