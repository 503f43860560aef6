import type { ClusterSpec, HostSpec } from '../../domain/spec.js';

/** A spec as the loader gives it: six hosts in three zones, three masters with a replica each, and waits short enough for tests. */
export function specOf(change: Partial<ClusterSpec> = {}): ClusterSpec {
  return {
    apiVersion: 'redisforge/v1',
    name: 'orders',
    uid: '7d7ae5b2-0f3c-4cf9-9d3f-6b2f4f0f8a11',
    engine: { kind: 'redis', version: '7.0' },
    mode: 'cluster',
    shape: { masters: 3, replicasPerMaster: 1 },
    hosts: [1, 2, 3, 4, 5, 6].map((n) => hostOf(`h${n}`, { zone: `z${((n - 1) % 3) + 1}`, address: `10.0.0.${n}` })),
    install: { method: 'preinstalled', server: '/usr/bin/redis-server' },
    service: { method: 'process' },
    os: { profile: 'report', denied: 'accept' },
    redis: {
      maxmemoryBytes: 256 * 2 ** 20,
      maxmemoryPolicy: 'noeviction',
      maxclients: 1000,
      nofile: 4096,
      nodeTimeoutMs: 50,
      minReplicasToWrite: 0,
      minReplicasMaxLagSeconds: 10,
      protectedMode: true,
      requireFullCoverage: false,
      replBacklogBytes: 2 ** 20,
      replicaMigration: 'pinned',
      extra: {},
    },
    persistence: { data: 'durable', appendonly: true, appendfsync: 'everysec', save: '' },
    moves: { mover: 'auto', maxKeysPerSecond: null, targetP99Ms: null, bigKeyBytes: 64 * 2 ** 20, bigKeys: 'move' },
    balance: null,
    users: { app: { name: 'app', keys: '~*', channels: '&*', commands: '+@all -@admin -@dangerous' } },
    secrets: {
      operator: { current: 'env:OPERATOR' },
      replication: { current: 'env:REPLICATION' },
      app: { current: 'env:APP' },
      admin: { current: 'env:ADMIN' },
    },
    timings: {
      sshConnectMs: 1000,
      commandMs: 2000,
      redisCommandMs: 500,
      installMs: 20_000,
      startMs: 2000,
      formMs: 2000,
      pollMs: 10,
      moveBatchMs: 2000,
      banWindowMs: 100,
      heartbeatMs: 1000,
      hostParallelism: 8,
    },
    ...change,
  };
}

export function hostOf(name: string, change: Partial<HostSpec> = {}): HostSpec {
  return {
    name,
    zone: 'z1',
    address: '10.0.0.1',
    ssh: {
      host: '10.0.0.1',
      port: 22,
      user: 'redis',
      privilege: 'login',
      auth: { kind: 'agent' },
      hostKeys: { kind: 'pinned', keys: ['ssh-ed25519 AAAA'] },
    },
    root: '/var/lib/redisforge',
    nodes: [{ port: 6379 }],
    ...change,
  };
}
