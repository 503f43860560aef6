import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Expectation } from '../../domain/expectation.js';
import { judge } from '../../domain/judge.js';
import type { AnsweringNode, Observation } from '../../domain/observation.js';
import { FINDING_CODES, type Finding, type FindingCode } from '../../domain/verdict.js';
import {
  EXPECTATION,
  idOf,
  nameOf,
  SETTINGS,
  soundObservation,
  withEntry,
  withEntryEverywhere,
  withExtraEntry,
  withNode,
  withSilent,
} from '../support/observations.js';

const sound = soundObservation();
const STRANGER = { id: idOf(9), address: '10.0.9.9', port: 6379, masterId: idOf(1), slots: [] };

interface Case {
  readonly title: string;
  readonly code: FindingCode;
  readonly observation: Observation;
  readonly expectation?: Expectation | null;
  readonly severity?: 'error' | 'warning';
  readonly node?: string;
  /** Words that the evidence has to have. */
  readonly evidence: RegExp;
}

const replica = (n: number) => {
  const node = sound.nodes[n - 1];
  if (node?.answered !== true || node.replication.role !== 'replica') throw new Error(`h${n} is no replica`);
  return node.replication;
};

const CASES: readonly Case[] = [
  {
    title: 'a master that refuses connections',
    code: 'DeadMaster',
    observation: withSilent(sound, 1, 'connection-refused'),
    node: nameOf(1),
    evidence: /connection-refused.*master/,
  },
  {
    title: 'a frozen replica',
    code: 'DeadReplica',
    observation: withSilent(sound, 4, 'timeout'),
    node: nameOf(4),
    evidence: /timeout.*replica/,
  },
  {
    title: 'a silent node that nobody knows',
    code: 'NodeDown',
    observation: [1, 2, 3, 4, 5].reduce(
      (seen, viewer) => withEntry(seen, { viewer, member: 6 }, null),
      withSilent(sound, 6, 'unreachable'),
    ),
    node: nameOf(6),
    evidence: /unreachable.*unknown to the others/,
  },
  {
    title: 'a node that reads its data',
    code: 'NodeLoading',
    observation: withSilent(sound, 2, 'loading'),
    node: nameOf(2),
    evidence: /loading/,
  },
  {
    title: 'a node in a script',
    code: 'NodeBusy',
    observation: withSilent(sound, 2, 'busy-script'),
    node: nameOf(2),
    evidence: /busy-script/,
  },
  {
    title: 'a node with another secret',
    code: 'WrongSecret',
    observation: withSilent(sound, 5, 'wrong-secret'),
    node: nameOf(5),
    evidence: /wrong-secret/,
  },
  {
    title: 'a node without cluster mode',
    code: 'NotClusterMode',
    observation: withSilent(sound, 5, 'not-cluster-mode'),
    node: nameOf(5),
    evidence: /not-cluster-mode/,
  },
  {
    title: 'a declared node that was reset',
    code: 'NotMember',
    observation: resetNode(6),
    node: nameOf(6),
    evidence: /knows 0 other nodes/,
  },
  {
    title: 'an answering member that the spec does not declare',
    code: 'ForeignMember',
    observation: withStranger(),
    node: '10.0.9.9:6379',
    evidence: /does not declare/,
  },
  {
    title: 'a member forgotten on some nodes and dead',
    code: 'GhostNode',
    observation: withExtraEntry(sound, [1, 2], { ...STRANGER, flags: ['slave', 'fail'], link: 'disconnected' }),
    evidence: new RegExp(`${idOf(9)}.*known by h1:6379, h2:6379, and not by h3:6379`),
  },
  {
    title: 'the old ID of a node that was reset',
    code: 'GhostNode',
    observation: resetNode(6),
    evidence: new RegExp(idOf(6)),
  },
  {
    title: 'a handshake that does not end',
    code: 'GhostNode',
    severity: 'warning',
    observation: withExtraEntry(sound, [3], { ...STRANGER, flags: ['handshake'] }),
    node: nameOf(3),
    evidence: /handshake with 10\.0\.9\.9:6379/,
  },
  {
    title: 'a node that refuses its clients',
    code: 'ClusterDown',
    observation: withNode(sound, 4, { clusterState: 'fail' }),
    node: nameOf(4),
    evidence: /cluster_state:fail/,
  },
  {
    title: 'most masters gone',
    code: 'QuorumLost',
    observation: withSilent(withSilent(sound, 1, 'timeout'), 2, 'timeout'),
    evidence: /1 of 3 masters/,
  },
  {
    title: 'a slot without an owner',
    code: 'SlotUncovered',
    observation: withEntryEverywhere(sound, 1, {
      slots: [
        [0, 99],
        [101, 5460],
      ],
    }),
    evidence: /1 slot \(100\).*no node knows an owner/,
  },
  {
    title: 'the slots of a dead master',
    code: 'SlotUncovered',
    observation: withSilent(sound, 1, 'timeout'),
    evidence: /5461 slots \(0-5460\).*h1:6379 as the owner/,
  },
  {
    title: 'a slot with two owners',
    code: 'SlotConflict',
    observation: withEntry(sound, { viewer: 2, member: 2 }, { slots: [[5460, 10921]] }),
    evidence: /1 slot \(5460\).*h1:6379 and h2:6379/,
  },
  {
    title: 'a slot that is migrating',
    code: 'OpenSlot',
    observation: withEntry(sound, { viewer: 1, member: 1 }, { migrating: [{ slot: 7, peer: idOf(2) }] }),
    node: nameOf(1),
    evidence: /7 to h2:6379/,
  },
  {
    title: 'a slot that is importing only',
    code: 'OpenSlot',
    observation: withEntry(sound, { viewer: 2, member: 2 }, { importing: [{ slot: 7, peer: idOf(1) }] }),
    node: nameOf(2),
    evidence: /7 from h1:6379/,
  },
  {
    title: 'a slot task of the engine that has not ended',
    code: 'OpenSlotTask',
    observation: withNode(sound, 2, { slotTasks: 1 }),
    node: nameOf(2),
    evidence: /1 of the engine's own tasks/,
  },
  {
    title: 'keys where nobody is sent to them',
    code: 'StrayKeys',
    observation: withNode(sound, 2, { strayKeys: { keys: 7, ranges: [[3, 5]], hidden: 0 } }),
    node: nameOf(2),
    evidence: /keys of 3 slots \(3-5\) without owning them/,
  },
  {
    title: 'keys in slots that their node does not tell',
    code: 'StrayKeys',
    observation: withNode(sound, 2, { strayKeys: { keys: 0, ranges: [], hidden: 7 } }),
    node: nameOf(2),
    evidence: /keys of slots that it does not tell/,
  },
  {
    title: 'a view with other owners',
    code: 'SplitView',
    observation: withEntry(sound, { viewer: 5, member: 1 }, { slots: [[0, 5000]] }),
    node: nameOf(5),
    evidence: /460 slots \(5001-5460\) with nobody/,
  },
  {
    title: 'a view with other roles',
    code: 'SplitView',
    observation: withEntry(sound, { viewer: 3, member: 4 }, { masterId: null }),
    node: nameOf(3),
    evidence: /other roles.*h4:6379/,
  },
  {
    title: 'a view without a member',
    code: 'SplitView',
    observation: withEntry(sound, { viewer: 3, member: 4 }, null),
    node: nameOf(4),
    evidence: /not by h3:6379/,
  },
  {
    title: 'two masters with one epoch',
    code: 'EpochCollision',
    observation: withEntry(sound, { viewer: 2, member: 2 }, { configEpoch: 1 }),
    evidence: /h1:6379, h2:6379 have the same config epoch 1/,
  },
  {
    title: 'an answering node that another takes for failed',
    code: 'FailureFlag',
    observation: withEntry(sound, { viewer: 1, member: 5 }, { flags: ['slave', 'fail?'] }),
    node: nameOf(5),
    evidence: /failed by h1:6379 \(slave,fail\?\)/,
  },
  {
    title: 'a bus link that is down',
    code: 'FailureFlag',
    severity: 'warning',
    observation: withEntry(sound, { viewer: 1, member: 5 }, { link: 'disconnected' }),
    node: nameOf(5),
    evidence: /h1:6379 has no bus link/,
  },
  {
    title: 'a wrong announced address',
    code: 'AddressMismatch',
    observation: withEntry(sound, { viewer: 1, member: 2 }, { address: '192.168.0.2' }),
    node: nameOf(2),
    evidence: /192\.168\.0\.2:6379 \(h1:6379\)/,
  },
  {
    title: 'a replication link that is down',
    code: 'ReplicationDown',
    observation: withNode(sound, 4, { replication: { ...replica(4), link: 'down' } }),
    node: nameOf(4),
    evidence: /no replication link to 10\.0\.0\.2:6379/,
  },
  {
    title: 'a first sync that is not over',
    code: 'ReplicationDown',
    observation: withNode(sound, 4, { replication: { ...replica(4), link: 'down', syncing: true } }),
    node: nameOf(4),
    evidence: /in the middle of a full sync/,
  },
  {
    title: 'a replica of another master than its view says',
    code: 'ReplicationMismatch',
    observation: withNode(sound, 4, { replication: { ...replica(4), masterAddress: '10.0.0.3' } }),
    node: nameOf(4),
    evidence: /copies 10\.0\.0\.3:6379.*is 10\.0\.0\.2:6379/,
  },
  {
    title: 'a replica that replicates nobody',
    code: 'ReplicationMismatch',
    observation: withNode(sound, 4, { replication: { role: 'master', offset: 1, replicas: [] } }),
    node: nameOf(4),
    evidence: /replicates as a master/,
  },
  {
    title: 'a stranger who copies our data',
    code: 'ReplicationMismatch',
    severity: 'warning',
    observation: withNode(sound, 1, {
      replication: {
        role: 'master',
        offset: 1,
        replicas: [
          { address: '10.0.0.6', port: 6379, state: 'online', offset: 1 },
          { address: '10.0.9.9', port: 6379, state: 'online', offset: 1 },
          { address: '10.0.9.9', port: 0, state: 'online', offset: 1 },
        ],
      },
    }),
    node: nameOf(1),
    evidence: /feeds a replica at 10\.0\.9\.9:6379/,
  },
  {
    title: 'a replica too far behind',
    code: 'ReplicaBehind',
    observation: withNode(sound, 2, { replication: { role: 'master', offset: 5_000_000, replicas: [] } }),
    node: nameOf(4),
    evidence: /4999900 bytes behind/,
  },
  {
    title: 'a replica of a replica',
    code: 'ReplicaOfReplica',
    observation: withEntryEverywhere(sound, 5, { masterId: idOf(4) }),
    node: nameOf(5),
    evidence: /h4:6379, which is itself a replica of h2:6379/,
  },
  {
    title: 'a master whose replica is gone',
    code: 'NoReplica',
    observation: withSilent(sound, 4, 'timeout'),
    node: nameOf(2),
    evidence: /0 replicas in sync, wanted are 1/,
  },
  {
    title: 'a master without a replica, of a cluster that no spec declares',
    code: 'NoReplica',
    severity: 'warning',
    expectation: null,
    observation: withSilent(sound, 4, 'timeout'),
    node: nameOf(2),
    evidence: /0 replicas/,
  },
  {
    title: 'fewer masters than declared',
    code: 'WrongShape',
    observation: sound,
    expectation: { ...EXPECTATION, masters: 4 },
    evidence: /3 masters own slots.*the spec wants 4/,
  },
  {
    title: 'a master and its replica in one zone',
    code: 'ZoneViolation',
    observation: withNode(sound, 4, { zone: 'z2' }),
    node: nameOf(4),
    evidence: /h4:6379 and its master h2:6379 are both in zone z2/,
  },
  {
    title: 'a zone with most masters',
    code: 'ZoneHoldsMajority',
    severity: 'warning',
    observation: withNode(sound, 2, { zone: 'z1' }),
    evidence: /Zone z1 holds 2 of 3 masters/,
  },
  {
    title: 'different versions',
    code: 'VersionSkew',
    severity: 'warning',
    observation: withNode(sound, 2, { version: '7.0.16' }),
    evidence: /redis 7\.0\.16 on h2:6379/,
  },
  {
    title: 'another version than declared',
    code: 'WrongVersion',
    observation: withNode(sound, 2, { version: '7.01.1' }),
    node: nameOf(2),
    evidence: /runs redis 7\.01\.1, the spec wants redis 7\.0/,
  },
  {
    title: 'a setting that differs',
    code: 'ConfigDrift',
    severity: 'warning',
    observation: withNode(sound, 2, { settings: { ...SETTINGS, maxmemory: '2000' } }),
    node: nameOf(2),
    evidence: /maxmemory 2000, the spec wants 1000/,
  },
  {
    title: 'settings that a killed formation left',
    code: 'FormationTuningLeft',
    observation: withNode(sound, 2, { settings: { ...SETTINGS, 'cluster-node-timeout': '500' } }),
    node: nameOf(2),
    evidence: /cluster-node-timeout 500 \(wanted 5000\)/,
  },
  {
    title: 'a pin that an operation left, where Redis may move replicas',
    code: 'MovePinLeft',
    severity: 'warning',
    observation: withNode(sound, 2, { settings: { ...SETTINGS, 'cluster-allow-replica-migration': 'no' } }),
    expectation: { ...EXPECTATION, settings: { ...SETTINGS, 'cluster-allow-replica-migration': 'yes' } },
    node: nameOf(2),
    evidence: /cluster-allow-replica-migration no \(wanted yes\), and the spec lets/,
  },
  {
    title: 'a node that is to leave and is a member',
    code: 'LeavingMember',
    severity: 'warning',
    observation: sound,
    expectation: { ...EXPECTATION, leaving: { [nameOf(4)]: 'drain' } },
    node: nameOf(4),
    evidence: /h4:6379 is to leave .*\(leaving: drain\).* a replica of h2:6379/,
  },
  {
    title: 'a node that lets anyone in',
    code: 'DefaultUserOpen',
    observation: withNode(sound, 2, { openToAnyone: true }),
    node: nameOf(2),
    evidence: /not authenticated/,
  },
];

/** The node answers under a new ID and knows nobody; the others still have its old ID at its address. */
function resetNode(n: number): Observation {
  const node = sound.nodes[n - 1] as AnsweringNode;
  const [entry] = node.view.filter(({ id }) => id === node.id);
  if (entry === undefined) throw new Error('no entry of its own');
  const self = { ...entry, id: idOf(8), flags: ['myself', 'master'], masterId: null, slots: [] };
  return withNode(sound, n, {
    id: idOf(8),
    role: 'master',
    view: [self],
    replication: { role: 'master', offset: 0, replicas: [] },
  });
}

function withStranger(): Observation {
  const all = withExtraEntry(sound, [1, 2, 3, 4, 5, 6], { ...STRANGER, flags: ['slave'] });
  const model = sound.nodes[5] as AnsweringNode;
  const view = (all.nodes[0] as AnsweringNode).view;
  const stranger = {
    ...model,
    ...STRANGER,
    name: '10.0.9.9:6379',
    host: '10.0.9.9',
    zone: null,
    declared: false,
    view,
  };
  return { ...all, nodes: [...all.nodes, stranger] };
}

function findingsOf({
  observation,
  expectation = EXPECTATION,
}: Pick<Case, 'observation' | 'expectation'>): readonly Finding[] {
  return judge({ observation, expectation, cluster: 'orders' }).findings;
}

describe('a node that the spec lets leave', () => {
  const leaving = (n: number, how: 'drain' | 'lost'): Expectation => ({
    ...EXPECTATION,
    leaving: { [nameOf(n)]: how },
  });
  const codesOf = (observation: Observation, expectation: Expectation) =>
    findingsOf({ observation, expectation }).map(({ code }) => code);

  it('may be lost: what the others still know of it is only said', () => {
    const observation = withSilent(sound, 4, 'unreachable');
    const codes = codesOf(observation, leaving(4, 'lost'));
    expect(codes).toContain('LeavingMember');
    expect(codes).not.toContain('DeadReplica');
  });

  it('may be gone, and reset: then there is nothing to say of it', () => {
    const gone = [1, 2, 3, 5, 6].reduce((seen, viewer) => withEntry(seen, { viewer, member: 4 }, null), sound);
    const shape = { ...leaving(4, 'drain'), replicasPerMaster: 0 };
    expect(codesOf(withSilent(gone, 4, 'connection-refused'), shape)).toEqual([]);
    expect(codesOf(alone(gone, 4), shape)).toEqual([]);
  });

  it('is not judged by settings, version or zone, and counts for the shape as long as it owns slots', () => {
    const odd = withNode(sound, 4, { zone: 'z2', version: '6.2.1', settings: { ...SETTINGS, maxmemory: '5' } });
    expect(codesOf(odd, leaving(4, 'drain')).filter((code) => code !== 'VersionSkew')).toEqual(['LeavingMember']);
    const master = codesOf(sound, { ...leaving(1, 'drain'), masters: 2 });
    expect(master).toEqual(['WrongShape', 'LeavingMember']);
  });
});

/** The node knows itself alone, and is nobody's replica. */
function alone(observation: Observation, n: number): Observation {
  const node = observation.nodes[n - 1] as AnsweringNode;
  const view = node.view.filter(({ id }) => id === node.id).map((entry) => ({ ...entry, masterId: null }));
  return withNode(observation, n, { view, role: 'master', replication: { role: 'master', offset: 0, replicas: [] } });
}

it('names the command that starts a declared node again', () => {
  const { findings } = judge({
    observation: withSilent(sound, 1, 'connection-refused'),
    expectation: EXPECTATION,
    cluster: 'orders',
  });
  expect(findings.find(({ code }) => code === 'DeadMaster')?.next).toContain('`redisforge apply`');
});

describe('judge', () => {
  it('finds nothing in a sound cluster, declared or not', () => {
    for (const expectation of [EXPECTATION, null]) {
      const verdict = judge({ observation: sound, expectation, cluster: 'orders' });
      expect(verdict.findings).toEqual([]);
      expect(verdict.healthy).toBe(true);
    }
  });

  it.each(CASES)('$code: $title', ({ code, severity = 'error', node, evidence, ...shown }) => {
    const found = findingsOf(shown).filter((finding) => finding.code === code && evidence.test(finding.evidence));
    expect(found, JSON.stringify(findingsOf(shown), null, 1)).toHaveLength(1);
    expect(found[0]).toMatchObject({ severity, ...(node !== undefined && { node }) });
    expect(found[0]?.next).toMatch(/\w{3}.*\.$/);
  });

  /** Findings about hosts follow from their surveys: judge-hosts.test.ts, os-profile.test.ts. */
  const OF_HOSTS: FindingCode[] = ['NodeGuarded', 'LimitNotReached', 'HostUnreachable', 'OsDrift'];

  it('has a case for every code, and a page that explains it', () => {
    const page = readFileSync(new URL('../../docs/verdict.md', import.meta.url), 'utf8');
    for (const code of FINDING_CODES) {
      if (!OF_HOSTS.includes(code)) expect(CASES.map((each) => each.code)).toContain(code);
      expect(page).toMatch(new RegExp(`^\\| \`${code}\` \\|`, 'm'));
    }
  });

  it('takes a node that does not answer for an error, whatever its reason', () => {
    const silences = [
      'connection-refused',
      'timeout',
      'unreachable',
      'wrong-secret',
      'loading',
      'busy-script',
    ] as const;
    for (const silence of [...silences, 'not-cluster-mode', 'not-redis', 'error'] as const) {
      for (const expectation of [EXPECTATION, null]) {
        const verdict = judge({ observation: withSilent(sound, 4, silence), expectation, cluster: 'orders' });
        expect(verdict.healthy).toBe(false);
        expect(verdict.findings).toContainEqual(expect.objectContaining({ node: nameOf(4), severity: 'error' }));
      }
    }
  });

  it('keeps warnings from making the verdict unhealthy', () => {
    const verdict = judge({
      observation: withNode(sound, 2, { settings: { ...SETTINGS, maxmemory: '2000' } }),
      expectation: EXPECTATION,
      cluster: 'orders',
    });
    expect(verdict).toMatchObject({ healthy: true, findings: [{ code: 'ConfigDrift', severity: 'warning' }] });
  });

  it('judges only the structure where no spec declares the cluster', () => {
    const observation = withNode(sound, 2, { zone: 'z1', openToAnyone: true, settings: { maxmemory: '7' } });
    expect(findingsOf({ observation, expectation: null })).toEqual([]);
  });

  it('accepts a shared zone where the spec does by name', () => {
    const observation = withNode(sound, 4, { zone: 'z2' });
    expect(findingsOf({ observation, expectation: { ...EXPECTATION, sharedZones: true } })).toEqual([]);
  });

  it('tells what a formation left from drift by its exact values', () => {
    const settings = { ...SETTINGS, 'cluster-node-timeout': '501', 'repl-diskless-sync-delay': '0' };
    const codes = findingsOf({ observation: withNode(sound, 2, { settings }) }).map(({ code, evidence }) => [
      code,
      /cluster-node-timeout|repl-diskless-sync-delay/.exec(evidence)?.[0],
    ]);
    expect(codes).toEqual([
      ['FormationTuningLeft', 'repl-diskless-sync-delay'],
      ['ConfigDrift', 'cluster-node-timeout'],
    ]);
  });

  it('gives each node a row, with what the others say of a silent one', () => {
    const { nodes } = judge({
      observation: withSilent(sound, 4, 'timeout'),
      expectation: EXPECTATION,
      cluster: 'orders',
    });
    expect(nodes[1]).toMatchObject({ role: 'master', slots: [[5461, 10921]], lagBytes: null, keys: 10 });
    expect(nodes[3]).toMatchObject({ id: idOf(4), role: 'replica', masterId: idOf(2), keys: null, answered: false });
  });

  it('takes no member for a stranger that its master sees by another address', () => {
    const replicas = [{ address: '192.168.0.6', port: 6379, state: 'online', offset: 1 }];
    const observation = withNode(sound, 1, { replication: { role: 'master', offset: 100, replicas } });
    expect(findingsOf({ observation })).toEqual([]);
  });

  it('never reports a negative lag', () => {
    const ahead = withNode(sound, 4, { replication: { ...replica(4), offset: 500 } });
    expect(judge({ observation: ahead, expectation: null, cluster: 'orders' }).nodes[3]?.lagBytes).toBe(0);
  });

  it('has something to say when no node answers', () => {
    const dark = [1, 2, 3, 4, 5, 6].reduce((seen, n) => withSilent(seen, n, 'connection-refused'), sound);
    const findings = findingsOf({ observation: dark });
    expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['NodeDown', 'SlotUncovered', 'WrongShape']));
    // Nobody knows whether the slots have owners: to assign them anew could make two owners.
    const slots = findings.find(({ code }) => code === 'SlotUncovered');
    expect(slots?.evidence).toMatch(/no node answers/);
    expect(slots?.next).not.toMatch(/ADDSLOTS/);
  });
});
