import { describe, expect, it } from 'vitest';
import { memoryProblems } from '../../domain/memory.js';
import { pathText } from '../../domain/spec-path.js';
import { ruleProblems } from '../../domain/spec-rules.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { hostOf, specOf } from '../support/spec.js';

type Change = Partial<Omit<ClusterSpec, 'redis' | 'persistence' | 'timings'>> & {
  readonly redis?: Partial<ClusterSpec['redis']>;
  readonly persistence?: Partial<ClusterSpec['persistence']>;
  readonly timings?: Partial<ClusterSpec['timings']>;
};

/** A spec that no rule has anything against. */
function soundSpec(change: Change = {}): ClusterSpec {
  const base = specOf();
  const hosts = base.hosts.map((host) => ({ ...host, ssh: { ...host.ssh, host: host.address } }));
  return specOf({
    hosts,
    ...change,
    redis: { ...base.redis, nodeTimeoutMs: 5000, ...change.redis },
    persistence: { ...base.persistence, ...change.persistence },
    timings: { ...base.timings, ...change.timings },
  });
}

function brokenPaths(change: Change): string[] {
  return ruleProblems(soundSpec(change)).map(({ path }) => pathText(path));
}

const hosts = soundSpec().hosts;
const withHost = (position: number, change: Partial<ClusterSpec['hosts'][number]>) =>
  hosts.map((host, i) => (i === position ? { ...host, ...change } : host));

describe('rules', () => {
  it('have nothing against a sound spec', () => {
    expect(ruleProblems(soundSpec())).toEqual([]);
  });

  it.each<[string, string[], Change]>([
    ['fewer than three masters', ['shape.masters'], { shape: { masters: 2, replicasPerMaster: 2 } }],
    ['no replica without a reason', ['shape.replicasPerMaster'], { shape: { masters: 6, replicasPerMaster: 0 } }],
    [
      'a reason for no replicas where there are some',
      ['shape.withoutReplicas'],
      { shape: { masters: 3, replicasPerMaster: 1, withoutReplicas: 'none' } },
    ],
    ['another number of nodes than the shape asks for', ['shape'], { shape: { masters: 4, replicasPerMaster: 1 } }],
    [
      'nodes that leave, and too few that stay',
      ['shape'],
      { hosts: withHost(0, { nodes: [{ port: 6379, leaving: 'drain' }] }) },
    ],
    ['extra replicas that no host has', ['shape'], { shape: { masters: 3, replicasPerMaster: 1, extraReplicas: 1 } }],
    [
      'extra replicas where masters have none',
      ['shape.extraReplicas'],
      { shape: { masters: 5, replicasPerMaster: 0, extraReplicas: 1, withoutReplicas: 'test' } },
    ],
    [
      'a weight of a node that is not declared',
      ['balance.weights.h9:6379'],
      { balance: { by: 'slots', thresholdPercent: 2, weights: { 'h9:6379': 2 } } },
    ],
    [
      'weights that leave slots nowhere to be',
      ['balance.weights'],
      {
        balance: {
          ...{ by: 'slots', thresholdPercent: 2 },
          weights: Object.fromEntries(hosts.map(({ name }) => [`${name}:6379`, 0])),
        },
      },
    ],
    [
      'masters and replicas that have to share a zone',
      ['hosts'],
      { hosts: hosts.map((host) => ({ ...host, zone: 'z1' })) },
    ],
    ['a host name twice', ['hosts[1].name'], { hosts: withHost(1, { name: 'h1' }) }],
    [
      'one machine declared as two hosts',
      ['hosts[1]'],
      { hosts: hosts.map((host, i) => ({ ...host, ssh: { ...host.ssh, host: `10.0.0.${Math.max(i, 1)}` } })) },
    ],
    ['an address and port twice', ['hosts[1].nodes[0]'], { hosts: withHost(1, { address: '10.0.0.1' }) }],
    [
      'a port that is another node’s bus port',
      ['hosts[0].nodes[0]'],
      {
        shape: { masters: 7, replicasPerMaster: 0, withoutReplicas: 'test' },
        hosts: withHost(0, { nodes: [{ port: 6379 }, { port: 16379 }] }),
      },
    ],
    [
      'more replicas to write than there are',
      ['redis.minReplicasToWrite'],
      { redis: { minReplicasToWrite: 2, minReplicasMaxLagSeconds: 2 } },
    ],
    [
      'a lag that a cut-off master never reaches',
      ['redis.minReplicasMaxLag'],
      { redis: { minReplicasToWrite: 1, minReplicasMaxLagSeconds: 10 } },
    ],
    ['more clients than open files', ['redis.maxclients'], { redis: { maxclients: 4065, nofile: 4096 } }],
    ['no limit of memory', ['redis.maxmemory', 'redis.replBacklog'], { redis: { maxmemoryBytes: 0 } }],
    ['a node timeout that a freeze exceeds', ['redis.nodeTimeout'], { redis: { nodeTimeoutMs: 500 } }],
    ['eviction of durable data', ['redis.maxmemoryPolicy'], { redis: { maxmemoryPolicy: 'allkeys-lru' } }],
    ['durable data without a log', ['persistence.appendonly'], { persistence: { appendonly: false } }],
    ['durable data that is never synced', ['persistence.appendfsync'], { persistence: { appendfsync: 'no' } }],
    ['a wait of 0', ['timings.start'], { timings: { startMs: 0 } }],
    ['a version that is not known', ['engine.version'], { engine: { kind: 'redis', version: '5.0' } }],
    ['a directive of ours', ['redis.extra.requirepass'], { redis: { extra: { requirepass: '' } } }],
    ['a directive that hurts', ['redis.extra.rename-command'], { redis: { extra: { 'rename-command': 'CONFIG ""' } } }],
    ['an open quote', ['redis.extra.proc-title-template'], { redis: { extra: { 'proc-title-template': '"{title}' } } }],
    [
      'one secret for two duties',
      ['secrets.admin'],
      { secrets: { ...soundSpec().secrets, admin: { current: 'env:OPERATOR' } } },
    ],
  ])('refuse %s', (_what, paths, change) => {
    expect(brokenPaths(change)).toEqual(paths);
  });

  it.each<[string, Change]>([
    [
      'no replicas with a reason',
      { shape: { masters: 6, replicasPerMaster: 0, withoutReplicas: 'a scratch cluster' } },
    ],
    [
      'shared zones with a reason',
      {
        hosts: hosts.map((host) => ({ ...host, zone: 'z1' })),
        shape: { masters: 3, replicasPerMaster: 1, sharedZones: 'one room' },
      },
    ],
    ['clients that just fit the open files', { redis: { maxclients: 4064, nofile: 4096 } }],
    [
      'eviction in a cache',
      {
        redis: { maxmemoryPolicy: 'allkeys-lru' },
        persistence: { data: 'cache', appendonly: false, appendfsync: 'no' },
      },
    ],
    ['replicas to write with a short lag', { redis: { minReplicasToWrite: 1, minReplicasMaxLagSeconds: 2 } }],
    [
      'hosts behind one address with ports of their own',
      {
        hosts: [1, 2, 3, 4, 5, 6].map((n) => {
          const host = hostOf(`h${n}`, { zone: `z${n % 3}`, address: '127.0.0.1', nodes: [{ port: 7000 + n }] });
          return { ...host, ssh: { ...host.ssh, host: '127.0.0.1', port: 2200 + n } };
        }),
      },
    ],
    [
      'directives of the spec’s own',
      { redis: { extra: { 'proc-title-template': '"{title} {port}"', constructor: 'x', save2: "'a b' c" } } },
    ],
  ])('accept %s', (_what, change) => {
    expect(brokenPaths(change)).toEqual([]);
  });

  it('find an open quote after a long word at once', () => {
    const extra = { 'proc-title-template': `${'a'.repeat(10_000)}"` };
    const begun = performance.now();
    expect(brokenPaths({ redis: { extra } })).toEqual(['redis.extra.proc-title-template']);
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  it('give the numbers, the reason and what would be right', () => {
    const [problem] = ruleProblems(soundSpec({ redis: { maxclients: 20_000, nofile: 10_000 } }));
    expect(problem?.reason).toContain('20000');
    expect(problem?.reason).toContain('10000');
    expect(problem?.right).toBe('9968 at the most (Redis keeps 32 for itself), or a redis.nofile of 20032');
  });
});

describe('memory of a host', () => {
  const spec = soundSpec({
    hosts: withHost(0, { nodes: [{ port: 1 }, { port: 2 }] }),
    redis: { maxmemoryBytes: 1024 ** 3, replBacklogBytes: 64 * 1024 ** 2 },
  });
  const needed = 2 * (1.5 * 1024 ** 3 + 64 * 1024 ** 2);

  it('has to hold all its nodes, each with room for a fork', () => {
    expect(memoryProblems({ spec, host: 'h1', memoryBytes: needed })).toEqual([]);
    const [refusal] = memoryProblems({ spec, host: 'h1', memoryBytes: needed - 1 });
    expect(refusal).toMatchObject({ host: 'h1', what: expect.stringContaining('2 nodes can need 3200 MiB') as string });
    expect(refusal?.next).toBe('Set redis.maxmemory to 1023mb or less, or put fewer nodes on h1.');
  });

  it('may be too little for any number', () => {
    const [refusal] = memoryProblems({ spec, host: 'h1', memoryBytes: 1000 });
    expect(refusal?.next).toBe('Put fewer nodes on h1, or give it more memory.');
  });
});
