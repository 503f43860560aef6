import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, withNode } from '../../activities/redis/connection.js';
import { renderUsers } from '../../config/render-users.js';
import { createSecretResolver, resolveSecrets, Secret, type SecretResolver } from '../../config/secrets.js';
import { nodeSettings } from '../../config/settings.js';
import { nodeName } from '../../domain/nodes.js';
import type { Engine } from '../../lab/engines.js';
import type { ClusterSpec, Duty } from '../../domain/spec.js';
import { userName } from '../../domain/users.js';
import { freePorts } from './ports.js';
import { type RedisServer, startRedis } from './redis-server.js';
import { hostOf, specOf } from './spec.js';

const ADDRESS = '127.0.0.1';

export interface RedisNodes {
  readonly spec: ClusterSpec;
  readonly secrets: SecretResolver;
  /** By node name, in the spec's order. */
  readonly servers: ReadonlyMap<string, RedisServer>;
  readonly password: Readonly<Record<Duty, string>>;
  /** Sends one command to a node as the user who may do everything. */
  admin(node: string, ...command: Command): Promise<unknown>;
  stop(): Promise<void>;
}

export interface RedisNodesOptions {
  readonly masters?: number;
  readonly replicasPerMaster?: number;
  /** The ACL key patterns of the application user. */
  readonly appKeys?: string;
  readonly appCommands?: string;
  readonly redisCommandMs?: number;
  readonly formMs?: number;
  /** An engine of the lab; the redis-server of this machine where nothing is said. */
  readonly engine?: Engine;
  /** Further words of the servers' command lines; they win over ours. */
  readonly args?: readonly string[];
  /** Given the servers' own ports: those at which the spec, and they, reach each other. */
  readonly behind?: (ports: readonly number[]) => Promise<readonly number[]>;
}

/** Running cluster-mode nodes with the users and settings that the spec renders, one per host and three zones, not yet formed. */
export async function startRedisNodes(options: RedisNodesOptions = {}): Promise<RedisNodes> {
  const { masters = 3, replicasPerMaster = 1 } = options;
  const own = await freePorts(masters * (1 + replicasPerMaster));
  const ports = (await options.behind?.(own)) ?? own;
  const spec = clusterSpec(options, ports);
  const password = {
    operator: secret('operator'),
    replication: secret('replication'),
    app: secret('app'),
    admin: secret('admin'),
  };
  const env = Object.fromEntries(Object.entries(password).map(([duty, value]) => [duty.toUpperCase(), value]));
  const secrets = createSecretResolver({ env, machine: 'the test' });
  const folder = await mkdtemp(join(tmpdir(), 'redisforge-users-'));
  const aclfile = join(folder, 'users.acl');
  await writeFile(aclfile, renderUsers(spec, await resolveSecrets({ spec, resolve: secrets })));
  const args = [
    ...['--cluster-enabled', 'yes', '--aclfile', aclfile],
    ...['--masteruser', userName(spec, 'replication'), '--masterauth', password.replication],
    ...Object.entries(nodeSettings(spec)).flatMap(([name, value]) => [`--${name}`, value]),
    ...(options.args ?? []),
  ];
  const program = options.engine === undefined ? {} : { program: options.engine.server };
  const announced = (i: number) => (options.behind === undefined ? [] : ['--cluster-announce-port', `${ports[i]}`]);
  const started = await Promise.all(
    own.map((port, i) => startRedis({ address: ADDRESS, port, args: [...args, ...announced(i)], ...program })),
  );
  return {
    spec,
    secrets,
    password,
    servers: new Map(started.map((server, i) => [nodeName(`h${i + 1}`, ports[i] ?? server.port), server])),
    admin: (node, ...command) =>
      asAdmin({ address: ADDRESS, port: Number(node.split(':')[1]), password: password.admin }, command),
    stop: async () => {
      await Promise.all(started.map((server) => server.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function asAdmin(at: { address: string; port: number; password: string }, command: Command): Promise<unknown> {
  const credentials = { user: 'admin', password: new Secret(at.password) };
  return withNode({ ...at, credentials, timeoutMs: 5000 }, (node) => node.ask(...command));
}

function secret(duty: string): string {
  return `${duty}-7c1f0b9e2d4a6853-${process.pid}`;
}

function clusterSpec(options: RedisNodesOptions, ports: readonly number[]): ClusterSpec {
  const { masters = 3, replicasPerMaster = 1 } = options;
  const base = specOf();
  const engine =
    options.engine === undefined ? base.engine : { kind: options.engine.kind, version: options.engine.version };
  return specOf({
    engine,
    shape: { masters, replicasPerMaster },
    hosts: ports.map((port, i) =>
      hostOf(`h${i + 1}`, { zone: `z${(i % 3) + 1}`, address: ADDRESS, nodes: [{ port }] }),
    ),
    redis: { ...base.redis, nodeTimeoutMs: 5000, requireFullCoverage: true, protectedMode: false },
    persistence: { data: 'cache', appendonly: false, appendfsync: 'everysec', save: '' },
    users: {
      app: {
        name: 'app',
        keys: options.appKeys ?? '~*',
        channels: '&*',
        commands: options.appCommands ?? '+@all -@dangerous',
      },
    },
    timings: { ...base.timings, redisCommandMs: options.redisCommandMs ?? 1000, formMs: options.formMs ?? 15_000 },
  });
}
