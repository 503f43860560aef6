import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseInfo, readClusterInfo, readReplication, readServerInfo } from '../../domain/parse-info.js';
import { parseClusterNodes } from '../../domain/parse-nodes.js';
import { fallenMasters } from '../../domain/parse-shards.js';
import { readNode } from '../../domain/read-node.js';
import { UnreadableAnswer } from '../../domain/unreadable.js';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);

describe('parseClusterNodes', () => {
  it('reads masters, replicas, slots and open slots', () => {
    const [master, replica] = parseClusterNodes(
      `${A} 10.0.0.1:6379@16379 myself,master - 0 1795246170895 3 connected 0-99 101 [7->-${B}] [8-<-${B}]\n` +
        `${B} 10.0.0.2:6380@16380,db2.example slave,fail? ${A} 5 1795246170895 3 disconnected\n`,
    );
    expect(master).toEqual({
      id: A,
      address: '10.0.0.1',
      port: 6379,
      busPort: 16379,
      flags: ['myself', 'master'],
      masterId: null,
      configEpoch: 3,
      link: 'connected',
      slots: [
        [0, 99],
        [101, 101],
      ],
      migrating: [{ slot: 7, peer: B }],
      importing: [{ slot: 8, peer: B }],
    });
    expect(replica).toMatchObject({
      address: '10.0.0.2',
      masterId: A,
      link: 'disconnected',
      flags: ['slave', 'fail?'],
    });
  });

  it.each([
    [
      'a node without an address',
      `${A} :0@0 master,noaddr - 0 0 0 disconnected`,
      { address: '', port: 0, flags: ['master', 'noaddr'] },
    ],
    ['a node that knows nobody', `${A} :6379@16379 myself,master - 0 0 0 connected`, { address: '', port: 6379 }],
    ['only a host name', `${A} :6379@16379,db1.example master - 0 0 1 connected`, { address: 'db1.example' }],
    [
      'more fields after the host name',
      `${A} 10.0.0.1:6379@16379,,tls-port=0,shard-id=${A} master - 0 0 1 connected`,
      { address: '10.0.0.1', port: 6379 },
    ],
    ['IPv6', `${A} fd00::1:6379@16379 master - 0 0 1 connected`, { address: 'fd00::1', port: 6379, busPort: 16379 }],
    ['no bus port', `${A} 10.0.0.1:6379 master - 0 0 1 connected 5`, { port: 6379, busPort: 0, slots: [[5, 5]] }],
    ['a handshake', `${A} 10.0.0.1:6379@16379 handshake - 0 0 0 disconnected`, { flags: ['handshake'] }],
    ['no flags', `${A} 10.0.0.1:6379@16379 noflags - 0 0 0 connected`, { flags: [] }],
    [
      'missing fields at the end',
      `${A} 10.0.0.1:6379@16379 master -`,
      { configEpoch: 0, link: 'disconnected', slots: [] },
    ],
  ])('reads %s', (_, line, wanted) => {
    expect(parseClusterNodes(`${line}\r\n`)).toEqual([expect.objectContaining(wanted)]);
  });

  it.each([
    ['a short ID', 'abc 10.0.0.1:6379@16379 master - 0 0 1 connected'],
    ['no port', `${A} 10.0.0.1 master - 0 0 1 connected`],
    ['a slot past the last', `${A} 10.0.0.1:6379@16379 master - 0 0 1 connected 16384`],
    ['a range that runs backwards', `${A} 10.0.0.1:6379@16379 master - 0 0 1 connected 9-3`],
    ['an epoch that is no number', `${A} 10.0.0.1:6379@16379 master - 0 0 x connected`],
    ['a port past the last', `${A} 10.0.0.1:65536@16379 master - 0 0 1 connected`],
    ['an address with a control sequence', `${A} 10.0.0.1\u001b[2J:6379@16379 master - 0 0 1 connected`],
    ['another node without an address', `${A} :6379@16379 master - 0 0 1 connected`],
    ['a flag that is none', `${A} 10.0.0.1:6379@16379 MASTER\u0007 - 0 0 1 connected`],
    ['a link that is none', `${A} 10.0.0.1:6379@16379 master - 0 0 1 conn`],
    [
      'a node twice',
      `${A} 10.0.0.1:6379@16379 master - 0 0 1 connected\n${A} 10.0.0.2:6379@16379 slave ${B} 0 0 1 connected`,
    ],
    [
      'a slot twice',
      `${A} 10.0.0.1:6379@16379 master - 0 0 1 connected 0-5\n${B} 10.0.0.2:6379@16379 master - 0 0 1 connected 5`,
    ],
    ['an error page', '<html><body>It works!</body></html>'],
  ])('names what it cannot read: %s', (_, line) => {
    expect(() => parseClusterNodes(line)).toThrow(UnreadableAnswer);
  });

  it('never fails otherwise, whatever it is given', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(A, B, '10.0.0.1:1@2', 'master', '-', '0', 'connected', '0-5', `[1->-${A}]`),
    );
    fc.assert(
      fc.property(fc.array(fc.array(word)), (lines) =>
        failsOnlyByName(() => parseClusterNodes(lines.map((line) => line.join(' ')).join('\n'))),
      ),
    );
  });

  it('reads back every topology that it is given', () => {
    const hex = fc.stringMatching(/^[0-9a-f]{40}$/);
    const entry = fc.record({ id: hex, port: fc.integer({ min: 1, max: 55_535 }), epoch: fc.nat() });
    // Cut anywhere, no slot has two owners.
    const cuts = fc.uniqueArray(fc.nat(16_383), { maxLength: 20 }).map((all) => all.sort((a, b) => a - b));
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: ({ id }) => id }), cuts, (bare, bounds) => {
        const ranges = bounds.slice(1).map((to, i) => [bounds[i] ?? 0, to - 1] as const);
        const entries = bare.map((node, i) => ({ ...node, slots: ranges.filter((_, r) => r % bare.length === i) }));
        const text = entries.map(
          ({ id, port, epoch, slots }) =>
            `${id} 10.0.0.1:${port}@${port + 10_000} master - 0 0 ${epoch} connected ${slots.map((range) => range.join('-')).join(' ')}`,
        );
        const read = parseClusterNodes(text.join('\n'));
        expect(read.map(({ id, port, configEpoch, slots }) => ({ id, port, epoch: configEpoch, slots }))).toEqual(
          entries,
        );
      }),
    );
  });
});

const MASTER = [
  '# Server',
  'redis_version:7.0.15',
  'uptime_in_seconds:12',
  '# Clients',
  'connected_clients:3',
  '# Memory',
  'used_memory:1000',
  'maxmemory:0',
  '# Replication',
  'role:master',
  'master_repl_offset:70',
  'slave0:ip=10.0.0.4,port=6379,state=online,offset=60,lag=0',
  'slave1:ip=fd00::1,port=6380,state=wait_bgsave,offset=0,lag=0',
].join('\r\n');

describe('INFO', () => {
  it('is read for a master with its replicas', () => {
    expect(readServerInfo(parseInfo(MASTER))).toEqual({
      engine: 'redis',
      version: '7.0.15',
      role: 'master',
      usedMemoryBytes: 1000,
      maxmemoryBytes: 0,
      uptimeSeconds: 12,
      connectedClients: 3,
      replication: {
        role: 'master',
        offset: 70,
        replicas: [
          { address: '10.0.0.4', port: 6379, state: 'online', offset: 60 },
          { address: 'fd00::1', port: 6380, state: 'wait_bgsave', offset: 0 },
        ],
      },
    });
  });

  it('is read for a replica before its first sync', () => {
    const info =
      'role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:down\r\nmaster_sync_in_progress:1\r\nslave_repl_offset:-1\r\n';
    expect(readReplication(parseInfo(info))).toEqual({
      role: 'replica',
      masterAddress: '10.0.0.1',
      masterPort: 6379,
      link: 'down',
      syncing: true,
      offset: 0,
      lastIoSecondsAgo: -1,
    });
  });

  it('tells Valkey, which calls itself Redis for old clients, by its own version', () => {
    const info = parseInfo(`${MASTER}\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n`);
    expect(readServerInfo(info)).toMatchObject({ engine: 'valkey', version: '9.1.2' });
  });

  it('names the field that is missing or no number', () => {
    expect(() => readServerInfo(parseInfo('role:master'))).toThrow(UnreadableAnswer);
    expect(() => readServerInfo(parseInfo(MASTER.replace('used_memory:1000', 'used_memory:much')))).toThrow(
      'used_memory:much',
    );
    expect(() => readClusterInfo(parseInfo(''))).toThrow('cluster_state');
    for (const odd of ['used_memory:', 'used_memory:0x10', 'used_memory:1e3', 'used_memory:-1', 'used_memory: 5']) {
      expect(() => readServerInfo(parseInfo(MASTER.replace('used_memory:1000', odd)))).toThrow(UnreadableAnswer);
    }
    expect(() => readServerInfo(parseInfo(MASTER.replace('role:master', 'role:sentinel')))).toThrow('role:sentinel');
    expect(() => readServerInfo(parseInfo(MASTER.replace('7.0.15', '7.0\u001b[2J')))).toThrow(
      'redis_version:7.0\\u001b',
    );
  });

  it('does not believe a field that stands there twice with two values', () => {
    expect(() => readServerInfo(parseInfo(`${MASTER}\r\nrole:slave`))).toThrow('no field role');
    expect(readServerInfo(parseInfo(`${MASTER}\r\n${MASTER}`)).role).toBe('master');
  });

  it('never fails otherwise, whatever it is given', () => {
    const field = fc.constantFrom(
      'role:master',
      'role:slave',
      'slave0:ip',
      'slave0:ip=,port=x',
      'master_repl_offset:',
      ':',
      '# x',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), field)), (lines) => {
        const info = parseInfo(lines.join('\r\n'));
        for (const read of [readServerInfo, readClusterInfo, readReplication]) failsOnlyByName(() => read(info));
      }),
    );
  });
});

describe('what one node answers', () => {
  const texts = {
    clusterNodes: `${A} 10.0.0.1:6379@16379 myself,master - 0 0 1 connected`,
    clusterInfo: 'cluster_state:ok\r\ncluster_current_epoch:1\r\n',
    myId: A,
    info: MASTER,
  };

  it('is read as a whole', () => {
    expect(readNode(texts)).toMatchObject({ id: A, clusterState: 'ok', role: 'master', view: [{ id: A }] });
  });

  it.each([
    ['an ID that is none', { myId: `${A}\n7001 x` }],
    ['an ID that its own line does not have', { myId: B }],
    ['no line of its own', { clusterNodes: '' }],
  ])('is not believed with %s', (_, change) => {
    expect(() => readNode({ ...texts, ...change })).toThrow(UnreadableAnswer);
  });
});

function failsOnlyByName(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(UnreadableAnswer);
  }
}

describe('fallenMasters', () => {
  const node = (id: string, role: string, health: string) => [
    ...['id', id, 'port', 6379, 'ip', '10.0.0.1', 'endpoint', '10.0.0.1', 'role', role],
    ...['replication-offset', 7, 'health', health],
  ];
  /** As Valkey 9.1 answers; 8.1 does without the last pair. */
  const answer = [
    ['slots', [0, 5460], 'nodes', [node('a', 'master', 'online'), node('b', 'master', 'fail')], 'id', 'one'],
    ['slots', [5461, 16_383], 'nodes', [node('c', 'master', 'online'), node('d', 'replica', 'online')]],
  ];

  it('names the masters in whose place a node is', () => {
    expect(fallenMasters(answer, 'a')).toEqual(['b']);
    expect(fallenMasters(answer, 'c')).toEqual([]);
    expect(fallenMasters(answer, 'stranger')).toEqual([]);
  });

  it.each([null, 'OK', [['slots']], [['slots', []]], [['nodes', 'a']], [[1, 2]], [['nodes', [['id']]]]])(
    'refuses what is no such answer: %j',
    (words) => {
      expect(() => fallenMasters(words, 'a')).toThrow(UnreadableAnswer);
    },
  );
});
