import type {
  ClusterSpec,
  HostKeyTrust,
  HostSpec,
  SecretPair,
  SecretRef,
  SshAccess,
  SshEndpoint,
} from '../domain/spec.js';
import type { RuleProblem, SpecPath } from '../domain/spec-path.js';
import { completeInstall } from './complete-install.js';
import { absolutePath, type Places } from './places.js';
import type { JumpDocument, SpecDocument, SshDocument } from './schema.js';

export type { Places } from './places.js';

export interface Completed {
  /** Of use only where there are no problems. */
  readonly spec: ClusterSpec;
  readonly problems: readonly RuleProblem[];
}

const DEFAULT_MAXMEMORY_BYTES = 256 * 1024 ** 2;

/** Fills in what a document leaves to defaults that depend on other keys, and makes all paths of this machine absolute. */
export function completeSpec(document: SpecDocument, places: Places): Completed {
  const problems: RuleProblem[] = [];
  const hosts = document.hosts.map((host, i) => {
    const ssh = completeSsh({ document, host, path: ['hosts', i, 'ssh'], places, problems });
    return completeHost(document, host, ssh);
  });
  const { apiVersion, name, uid, engine, mode, shape, users } = document;
  const spec: ClusterSpec = {
    apiVersion,
    name,
    uid,
    engine,
    mode,
    shape,
    hosts,
    install: completeInstall(document, { places, problems }),
    service: completeService(document, problems),
    os: completeOs(document),
    redis: completeRedis(document),
    persistence: completePersistence(document),
    moves: completeMoves(document),
    balance: completeBalance(document),
    users,
    secrets: completeSecrets(document, places),
    timings: completeTimings(document),
  };
  return { spec, problems };
}

function completeHost(document: SpecDocument, host: SpecDocument['hosts'][number], ssh: SshAccess): HostSpec {
  const { name, zone, address, nodes } = host;
  return { name, zone, address, ssh, root: host.root ?? document.root, nodes };
}

function completeService({ service }: SpecDocument, problems: RuleProblem[]): ClusterSpec['service'] {
  const { method, user } = service;
  if (method === 'systemd') return { method, user: user ?? 'redis' };
  if (user !== undefined) {
    problems.push({
      path: ['service', 'user'],
      reason: 'has no meaning with the method process: the nodes run as whoever the host helper runs as',
      right: 'no such line, or service.method systemd',
      with: [['service', 'method']],
    });
  }
  return { method };
}

function completeRedis({ redis, persistence }: SpecDocument): ClusterSpec['redis'] {
  return {
    maxmemoryBytes: redis.maxmemory ?? DEFAULT_MAXMEMORY_BYTES,
    maxmemoryPolicy: redis.maxmemoryPolicy ?? (persistence.data === 'durable' ? 'noeviction' : 'allkeys-lru'),
    maxclients: redis.maxclients,
    nofile: redis.nofile,
    nodeTimeoutMs: redis.nodeTimeout,
    minReplicasToWrite: redis.minReplicasToWrite,
    minReplicasMaxLagSeconds: redis.minReplicasMaxLag / 1000,
    protectedMode: redis.protectedMode,
    requireFullCoverage: redis.requireFullCoverage,
    replBacklogBytes: redis.replBacklog,
    replicaMigration: redis.replicaMigration,
    extra: redis.extra,
  };
}

/** Whoever lets systemd run the nodes has given the machine to them; a plain process may be one of many programs there. */
function completeOs({ os, service }: SpecDocument): ClusterSpec['os'] {
  const usual = service.method === 'process' ? 'report' : 'apply';
  return { profile: os.profile ?? usual, denied: os.denied };
}

function completePersistence({ persistence }: SpecDocument): ClusterSpec['persistence'] {
  const { data, appendonly, appendfsync, save } = persistence;
  const durable = data === 'durable';
  return { data, appendonly: appendonly ?? durable, appendfsync, save: save ?? (durable ? '3600 1' : '') };
}

function completeMoves({ moves }: SpecDocument): ClusterSpec['moves'] {
  const { mover, maxKeysPerSecond, targetP99, bigKey, bigKeys } = moves;
  return {
    mover,
    maxKeysPerSecond: maxKeysPerSecond ?? null,
    targetP99Ms: targetP99 ?? null,
    bigKeyBytes: bigKey,
    bigKeys,
  };
}

function completeBalance({ balance }: SpecDocument): ClusterSpec['balance'] {
  if (balance === undefined) return null;
  const { by, threshold, weights } = balance;
  return { by, thresholdPercent: threshold, weights };
}

function completeTimings({ timings }: SpecDocument): ClusterSpec['timings'] {
  return {
    sshConnectMs: timings.sshConnect,
    commandMs: timings.command,
    redisCommandMs: timings.redisCommand,
    installMs: timings.install,
    startMs: timings.start,
    formMs: timings.form,
    pollMs: timings.poll,
    moveBatchMs: timings.moveBatch,
    banWindowMs: timings.banWindow,
    heartbeatMs: timings.heartbeat,
    hostParallelism: timings.hostParallelism,
  };
}

function completeSecrets({ secrets }: SpecDocument, places: Places): ClusterSpec['secrets'] {
  const absolute = (ref: SecretRef): SecretRef =>
    ref.startsWith('file:') ? `file:${absolutePath(ref.slice('file:'.length), places)}` : ref;
  const pair = ({ current, next }: SecretPair): SecretPair => ({
    current: absolute(current),
    ...(next === undefined ? {} : { next: absolute(next) }),
  });
  return {
    operator: pair(secrets.operator),
    replication: pair(secrets.replication),
    app: pair(secrets.app),
    admin: pair(secrets.admin),
  };
}

interface SshContext {
  readonly document: SpecDocument;
  readonly host: SpecDocument['hosts'][number];
  readonly path: SpecPath;
  readonly places: Places;
  /** Collects what is missing. */
  readonly problems: RuleProblem[];
}

function completeSsh({ document, host, path, places, problems }: SshContext): SshAccess {
  const own = host.ssh ?? {};
  const { jump: defaultJump, sudo: defaultSudo, ...defaults } = document.ssh;
  const privilege = (own.sudo ?? defaultSudo ?? false) ? 'sudo' : 'login';
  const endpoint = completeEndpoint({ own, defaults, host: own.host ?? host.address, path, places, problems });
  const jump = own.jump ?? defaultJump;
  if (jump === undefined) return { ...endpoint, privilege };
  // The keys of the hosts are not those of the machine before them, and neither is their port.
  const { hostKeys: _keys, port: _port, ...jumpDefaults } = defaults;
  const jumpPath = own.jump === undefined ? ['ssh', 'jump'] : [...path, 'jump'];
  const via = completeEndpoint({
    own: jump,
    defaults: jumpDefaults,
    host: jump.host,
    path: jumpPath,
    places,
    problems,
  });
  return { ...endpoint, privilege, jump: via };
}

interface EndpointContext {
  readonly own: SshDocument | JumpDocument;
  readonly defaults: Omit<SshDocument, 'host' | 'jump' | 'sudo'>;
  readonly host: string;
  readonly path: SpecPath;
  readonly places: Places;
  readonly problems: RuleProblem[];
}

function completeEndpoint({ own, defaults, host, path, places, problems }: EndpointContext): SshEndpoint {
  const user = own.user ?? defaults.user;
  const auth = authOf(own, places) ?? authOf(defaults, places);
  const hostKeys = trustOf(own, places) ?? trustOf(defaults, places);
  const missing = (reason: string, right: string) => problems.push({ path, reason, right, with: [['ssh'], path] });
  if (user === undefined) missing('has no login name', '`user` here or under the top-level `ssh`');
  if (auth === null)
    missing('has no way to log in', '`identityFile: …` or `agent: true`, here or under the top-level `ssh`');
  if (hostKeys === null) {
    missing(
      'has no pinned host key, so that any machine could answer in its place',
      '`hostKeys` (shown by `ssh-keyscan`, pinned by `redisforge init`) or a `knownHosts` file',
    );
  }
  return {
    host,
    port: own.port ?? defaults.port ?? 22,
    user: user ?? '',
    auth: auth ?? { kind: 'agent' },
    hostKeys: hostKeys ?? { kind: 'pinned', keys: [] },
  };
}

function authOf({ identityFile, agent }: SshDocument, places: Places): SshEndpoint['auth'] | null {
  if (identityFile !== undefined) return { kind: 'key', identityFile: absolutePath(identityFile, places) };
  return agent === undefined ? null : { kind: 'agent' };
}

function trustOf({ hostKeys, knownHosts }: SshDocument, places: Places): HostKeyTrust | null {
  if (hostKeys !== undefined) return { kind: 'pinned', keys: hostKeys };
  return knownHosts === undefined ? null : { kind: 'knownHosts', file: absolutePath(knownHosts, places) };
}
