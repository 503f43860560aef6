import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planFormation } from '../../domain/formation.js';
import { judge, type JudgeInput } from '../../domain/judge.js';
import type { AnsweringNode, Observation, ViewEntry } from '../../domain/observation.js';
import { place } from '../../domain/placement.js';
import { type NodeTexts, readNode } from '../../domain/read-node.js';
import { formatRanges } from '../../domain/slots.js';
import { UnreadableAnswer } from '../../domain/unreadable.js';
import type { FindingCode, Verdict } from '../../domain/verdict.js';
import { EXPECTATION, idOf, soundObservation } from '../support/observations.js';
import { specOf } from '../support/spec.js';
import { damaged, type Damage, damages } from './damaged.js';
import { type Check, holds, notices, SEED } from './seeded.js';

const SOUND = soundObservation().nodes.filter((node) => node.answered);

function nodesLine({ id, address, port, busPort, flags, masterId, configEpoch, link, slots }: ViewEntry): string {
  return `${id} ${address}:${port}@${busPort} ${flags.join(',')} ${masterId ?? '-'} 0 0 ${configEpoch} ${link} ${formatRanges(slots)}`.trim();
}

function textsOf({ id, view, version, replication, currentEpoch }: AnsweringNode): NodeTexts {
  const own =
    replication.role === 'master'
      ? ['role:master', `master_repl_offset:${replication.offset}`, ...attachedTo(id)]
      : [
          'role:slave',
          ...[`master_host:${replication.masterAddress}`, `master_port:${replication.masterPort}`],
          ...['master_link_status:up', 'master_sync_in_progress:0', 'master_last_io_seconds_ago:1'],
          `slave_repl_offset:${replication.offset}`,
        ];
  return {
    myId: id,
    clusterNodes: `${view.map(nodesLine).join('\n')}\n`,
    clusterInfo: `cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_current_epoch:${currentEpoch}\r\n`,
    info: [
      ...['# Server', `redis_version:${version}`, 'uptime_in_seconds:60', '# Clients', 'connected_clients:5'],
      ...['# Memory', 'used_memory:500', 'maxmemory:1000', '# Replication', ...own, ''],
    ].join('\r\n'),
  };
}

function attachedTo(masterId: string): string[] {
  return SOUND.filter(({ view, id }) => view.some((entry) => entry.id === id && entry.masterId === masterId)).map(
    ({ address, port }, i) => `slave${i}:ip=${address},port=${port},state=online,offset=100,lag=0`,
  );
}

interface Blow {
  readonly node: number;
  readonly text: keyof NodeTexts;
  readonly damage: Damage;
}

const WORDS = [
  ...[1, 2, 3, 4, 5, 6, 9].map(idOf),
  ...[
    'master',
    'slave',
    'myself,master',
    'myself,slave',
    'fail',
    'master,fail?',
    'handshake',
    'noaddr',
    'noflags',
    '-',
    '0',
    '1',
    '2',
  ],
  ...[
    'connected',
    'disconnected',
    '0-16383',
    '5460-5461',
    '0-0',
    '16383',
    '16384',
    '5-1',
    '[7->-',
    `[7->-${idOf(2)}]`,
    `[7-<-${idOf(1)}]`,
  ],
  ...[
    '10.0.0.2:6379@16379',
    ':0@0',
    '10.0.0.1:0@0',
    '10.0.0.9:6379@16379',
    '::1:1@2',
    'h:99999@1',
    'role',
    'down',
    'up',
    'fail',
    'ok',
  ],
  ...[
    '10.0.0.3',
    '10.0.0.9',
    '6380',
    '7.2.4',
    '7.0.15',
    'role:master',
    'role:slave',
    'cluster_state:fail',
    'cluster_state:ok',
    'loading:1',
  ],
  ...[
    'master_link_status:down',
    'master_host:10.0.0.9',
    'slave0:ip=10.0.0.9,port=6379,state=online,offset=1,lag=0',
    '-1',
    '2000000000',
  ],
];

const blow: fc.Arbitrary<Blow> = fc.record({
  node: fc.nat(5),
  text: fc.constantFrom('clusterNodes', 'clusterNodes', 'info', 'info', 'clusterInfo', 'myId'),
  damage: damages(WORDS),
});
const inputs = fc.array(blow, { minLength: 1, maxLength: 3 });

type Read = (texts: NodeTexts) => Pick<AnsweringNode, 'id' | 'view'> & Partial<AnsweringNode>;
type Judge = (input: JudgeInput) => Verdict;

function observed(blows: readonly Blow[], read: Read): Observation {
  const nodes = SOUND.map((node, i) => {
    const texts = blows
      .filter((one) => one.node === i)
      .reduce(
        (before, { text, damage }) => ({ ...before, [text]: damaged(before[text], damage, ' :,=') }),
        textsOf(node),
      );
    try {
      return { ...node, ...read(texts) };
    } catch (error) {
      if (!(error instanceof UnreadableAnswer)) throw error;
      const { name, host, zone, address, port } = node;
      return {
        name,
        host,
        zone,
        address,
        port,
        declared: true,
        answered: false,
        silence: 'error',
        detail: error.message,
      } as const;
    }
  });
  return { asOf: '2026-01-02T03:04:05.000Z', nodes };
}

/** Who is who, who owns what and who copies whom, as every single node sees it: what health is about. */
function factsOf({ nodes }: Observation): unknown {
  return nodes.map((node) => {
    if (!node.answered) return null;
    const { id, role, clusterState, openToAnyone, replication } = node;
    const view = node.view.map(({ id: of, address: said, port, masterId, slots, migrating, importing, flags }) => {
      const failed = flags.filter((flag) => ['fail', 'fail?', 'noaddr', 'handshake'].includes(flag));
      // A node may not know its own address: whoever asked does.
      const address = said === '' && of === id ? node.address : said;
      return JSON.stringify([of, address, port, masterId, formatRanges(slots), migrating, importing, failed]);
    });
    const copied =
      replication.role === 'replica' ? [replication.masterAddress, replication.masterPort, replication.link] : null;
    return { id, role, clusterState, openToAnyone, copied, view: view.sort() };
  });
}

function without(...codes: readonly FindingCode[]): Judge {
  return (input) => {
    const verdict = judge(input);
    const findings = verdict.findings.filter(({ code }) => !codes.includes(code));
    return { ...verdict, findings, healthy: !findings.some(({ severity }) => severity === 'error') };
  };
}

const WANTED = place(specOf());
const FACTS = factsOf({ asOf: '', nodes: SOUND });
/** What a terminal would. */
const ACTED_ON = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** Nothing throws, nothing damaged is called healthy or settled, and what is said of it can be shown. */
function isSeenThrough(read: Read, verdictOf: Judge): Check<readonly Blow[]> {
  const known = new Set<string>();
  return (blows) => {
    const observation = observed(blows, read);
    for (const node of observation.nodes) if (!node.answered) expect(node.detail).not.toMatch(ACTED_ON);
    // Most damage makes a node silent, and one silent node is as the other.
    const alike = JSON.stringify(observation.nodes.map((node) => (node.answered ? node : null)));
    if (known.has(alike)) return;
    known.add(alike);
    const verdict = verdictOf({ observation, expectation: EXPECTATION, cluster: 'orders' });
    if (verdict.healthy) expect(factsOf(observation)).toEqual(FACTS);
    expectToBeShowable(verdict);
    // Every verdict looks at each slot many times: the other two readers of views get a part of the inputs.
    if (known.size % 6 !== 0) return;
    expectToBeShowable(verdictOf({ observation, expectation: null, cluster: 'orders' }));
    const { settled } = planFormation({ wanted: WANTED, observation });
    if (settled) expect(observation.nodes.every((node) => node.answered)).toBe(true);
  };
}

function expectToBeShowable({ findings, nodes }: Verdict): void {
  for (const { evidence, next } of findings) expect(evidence + next).not.toMatch(ACTED_ON);
  for (const { id, masterId, version, lagBytes, usedMemoryBytes } of nodes) {
    expect([id, masterId, version].join()).not.toMatch(ACTED_ON);
    for (const count of [lagBytes, usedMemoryBytes]) {
      expect(count === null || (Number.isFinite(count) && count >= 0)).toBe(true);
    }
  }
}

describe(`views of nodes (seed ${SEED})`, () => {
  it('are sound as these tests write them', () => {
    const verdict = judge({ observation: observed([], readNode), expectation: EXPECTATION, cluster: 'orders' });
    expect(verdict).toMatchObject({ healthy: true, findings: [] });
  });

  it('are never healthy when damaged, and never break the verdict', () =>
    holds(inputs, isSeenThrough(readNode, judge)));

  it.each<[string, Read, Judge]>([
    ['every verdict were healthy', readNode, (input) => ({ ...judge(input), healthy: true })],
    [
      'nodes that cannot be read were left out',
      readNode,
      (input) => judge({ ...input, observation: withoutSilent(input.observation), expectation: null }),
    ],
    ['it did not matter how the nodes see each other', readNode, without('SplitView')],
    [
      'it did not matter whether and whom a replica copies',
      readNode,
      without('ReplicationMismatch', 'ReplicationDown', 'NoReplica'),
    ],
    [
      'numbers were not checked',
      (texts) => ({
        ...readNode({ ...texts, info: SOUND_INFO }),
        usedMemoryBytes: Number(/used_memory:(.*)/.exec(texts.info)?.[1]),
      }),
      judge,
    ],
    [
      'words were taken as they are',
      (texts) => ({
        ...readNode({ ...texts, info: SOUND_INFO }),
        // All words at once: which of them is damaged is a matter of the seed.
        version: texts.info.replaceAll(/\r?\n/g, ' '),
      }),
      judge,
    ],
  ])('would be noticed if %s', (_, read, verdictOf) => notices(inputs, isSeenThrough(read, verdictOf)));
});

const SOUND_INFO = SOUND[0] === undefined ? '' : textsOf(SOUND[0]).info;

function withoutSilent(observation: Observation): Observation {
  return { ...observation, nodes: observation.nodes.filter((node) => node.answered) };
}
