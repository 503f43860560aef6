import type { RuleProblem } from './spec-path.js';
import type { ClusterSpec, EngineSpec } from './spec.js';

/** Settings, persistence, users and secrets that hurt together. */
export function settingProblems(spec: ClusterSpec): RuleProblem[] {
  return [...engineProblems(spec.engine), ...durabilityProblems(spec), ...extraProblems(spec), ...secretProblems(spec)];
}

/** Majors and minors that the product is built for. */
const ENGINES: Readonly<
  Record<
    EngineSpec['kind'],
    { readonly from: readonly [major: number, minor: number]; readonly below: number; readonly said: string }
  >
> = {
  redis: { from: [6, 2], below: 9, said: 'Redis 6.2 to 8.x' },
  valkey: { from: [7, 2], below: 10, said: 'Valkey 7.2 to 9.x' },
};

function engineProblems({ kind, version }: EngineSpec): RuleProblem[] {
  const { from, below, said } = ENGINES[kind];
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isLate = major > from[0] || (major === from[0] && minor >= from[1]);
  if (isLate && major < below) return [];
  return [
    { path: ['engine', 'version'], reason: `is ${version}`, right: `a version of ${said}`, with: [['engine', 'kind']] },
  ];
}

function durabilityProblems({ redis, persistence }: ClusterSpec): RuleProblem[] {
  if (persistence.data !== 'durable') return [];
  const demands = [
    {
      met: redis.maxmemoryPolicy === 'noeviction',
      path: ['redis', 'maxmemoryPolicy'],
      reason: `is ${redis.maxmemoryPolicy}, which throws data away when memory is full`,
      right: 'noeviction',
    },
    {
      met: persistence.appendonly,
      path: ['persistence', 'appendonly'],
      reason: 'is false, so that a master that restarts comes back without its last writes',
      right: 'true',
    },
    {
      met: persistence.appendfsync !== 'no',
      path: ['persistence', 'appendfsync'],
      reason: 'is no, which leaves up to half a minute of writes to the mercy of the kernel',
      right: 'everysec or always',
    },
  ];
  return demands
    .filter(({ met }) => !met)
    .map(({ path, reason, right }) => ({
      path,
      reason: `${reason}, and persistence.data says that the data is durable`,
      right: `${right}, or \`persistence.data: cache\``,
      with: [['persistence', 'data']],
    }));
}

/** Directives that RedisForge writes itself, with where the spec has them. */
const OWNED: Readonly<Record<string, string>> = {
  port: 'hosts[].nodes',
  bind: 'hosts[].address',
  'cluster-announce-ip': 'hosts[].address',
  'cluster-announce-port': 'hosts[].nodes',
  'cluster-announce-bus-port': 'hosts[].nodes',
  'cluster-port': 'hosts[].nodes',
  'cluster-announce-hostname': 'hosts[].address',
  dir: 'root',
  logfile: 'root',
  aclfile: 'root',
  pidfile: 'root',
  unixsocket: 'root',
  dbfilename: 'root',
  appendfilename: 'root',
  appenddirname: 'root',
  'cluster-enabled': 'mode',
  'cluster-config-file': 'root',
  'cluster-node-timeout': 'redis.nodeTimeout',
  'cluster-require-full-coverage': 'redis.requireFullCoverage',
  'cluster-allow-replica-migration': 'shape: placement is decided by the spec',
  'protected-mode': 'redis.protectedMode',
  maxmemory: 'redis.maxmemory',
  'maxmemory-policy': 'redis.maxmemoryPolicy',
  maxclients: 'redis.maxclients',
  'min-replicas-to-write': 'redis.minReplicasToWrite',
  'min-slaves-to-write': 'redis.minReplicasToWrite',
  'min-replicas-max-lag': 'redis.minReplicasMaxLag',
  'min-slaves-max-lag': 'redis.minReplicasMaxLag',
  'repl-backlog-size': 'redis.replBacklog',
  'repl-diskless-sync-delay': 'redis: it is lowered and put back while a cluster is formed',
  appendonly: 'persistence.appendonly',
  appendfsync: 'persistence.appendfsync',
  'aof-timestamp-enabled': 'persistence: it is always on, for recovery to a point in time',
  save: 'persistence.save',
  user: 'users',
  requirepass: 'secrets',
  masteruser: 'secrets.replication',
  masterauth: 'secrets.replication',
  primaryuser: 'secrets.replication',
  primaryauth: 'secrets.replication',
  replicaof: 'shape',
  slaveof: 'shape',
  daemonize: 'service',
  supervised: 'service',
};

/** Directives that are known to hurt in a cluster that is operated from outside. */
const HARMFUL: Readonly<Record<string, string>> = {
  'rename-command': 'takes commands from operators too; the rights of users are the tool for that (users.app.commands)',
  include: 'brings in a file that this spec does not show',
  'enable-debug-command': 'lets a client crash the node',
  'enable-protected-configs': 'lets a client move files of the node to any place',
};

function extraProblems({ redis }: ClusterSpec): RuleProblem[] {
  return Object.entries(redis.extra).flatMap(([name, value]) => {
    const path = ['redis', 'extra', name];
    const [owner, harm] = [OWNED, HARMFUL].map((table) => (Object.hasOwn(table, name) ? table[name] : undefined));
    if (owner !== undefined) return [{ path, reason: 'is written by RedisForge itself', right: `see ${owner}` }];
    if (harm !== undefined) return [{ path, reason: harm, right: 'leave it out' }];
    if (!quotesClosed(value)) return [{ path, reason: 'has a quote that is not closed', right: 'quotes in pairs' }];
    return [];
  });
}

/**
 * Whether redis.conf could read the value: every quote is closed, and followed by a space or the end. Each character has one way only to be read, so
 * that a long value is not tried in all ways there are.
 */
function quotesClosed(value: string): boolean {
  return /^(?:"(?:[^"\\]|\\.)*"(?=\s|$)|'(?:[^'\\]|\\.)*'(?=\s|$)|[^"'])*$/.test(value);
}

function secretProblems({ secrets }: ClusterSpec): RuleProblem[] {
  const seen = new Map<string, string>();
  return Object.entries(secrets).flatMap(([duty, { current, next }]) =>
    (next === undefined ? [current] : [current, next]).flatMap((ref) => {
      const other = seen.get(ref);
      seen.set(ref, duty);
      if (other === undefined) return [];
      return [
        {
          path: ['secrets', duty],
          reason: `is ${ref}, as is that of ${other}: whoever has one would have both`,
          right: 'a secret of its own for each duty',
          with: [['secrets', other]],
        },
      ];
    }),
  );
}
