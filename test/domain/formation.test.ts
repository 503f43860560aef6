import { describe, expect, it } from 'vitest';
import { type FormationPlan, type FormationWanted, planFormation } from '../../domain/formation.js';
import { STAND_IN_HOLD } from '../../domain/formation-tuning.js';
import type { AnsweringNode, Observation } from '../../domain/observation.js';
import { evenShares, type SlotRange } from '../../domain/slots.js';
import {
  idOf,
  nameOf,
  soundObservation,
  withEntry,
  withEntryEverywhere,
  withExtraEntry,
  withNode,
  withSilent,
} from '../support/observations.js';

const sound = soundObservation();
const SHARES = evenShares(3);

/** What the sound observation is the result of. */
const WANTED: FormationWanted = {
  masters: [1, 2, 3].map((n, i) => ({ node: nameOf(n), slots: SHARES.slice(i, i + 1) })),
  replicas: [
    { node: nameOf(4), of: nameOf(2) },
    { node: nameOf(5), of: nameOf(3) },
    { node: nameOf(6), of: nameOf(1) },
  ],
};

function plan(observation: Observation, wanted: FormationWanted = WANTED): FormationPlan {
  return planFormation({ wanted, observation });
}

/** The node knows itself only. */
function blank(observation: Observation, n: number, change: { slots?: SlotRange[]; keys?: number } = {}): Observation {
  const { slots = [], keys = 0 } = change;
  const node = observation.nodes[n - 1] as AnsweringNode;
  const self = node.view.find(({ id }) => id === node.id);
  if (self === undefined) throw new Error('no entry of its own');
  const view = [{ ...self, flags: ['myself', 'master'], masterId: null, configEpoch: 0, slots, address: '' }];
  const replication = { role: 'master', offset: 0, replicas: [] } as const;
  return withNode(observation, n, { view, keys, role: 'master', clusterState: 'fail', replication });
}

const fresh = [1, 2, 3, 4, 5, 6].reduce((seen, n) => blank(seen, n), sound);

describe('planFormation', () => {
  it('has nothing to do where all is as wanted', () => {
    expect(plan(sound)).toEqual({ actions: [], refusals: [], settled: true, waitingFor: [] });
  });

  const meet = (from: number, n: number) => ({
    kind: 'meet',
    node: nameOf(from),
    target: nameOf(n),
    address: `10.0.0.${n}`,
    port: 6379,
  });
  const meets = [2, 3, 4, 5, 6].map((n) => meet(1, n));

  it('gives fresh masters without replicas epochs and slots, and lets one hub meet all others', () => {
    const { actions, settled } = plan(fresh, { ...WANTED, replicas: [] });
    expect(settled).toBe(false);
    expect(actions).toEqual([
      ...[1, 2, 3].map((n) => ({ kind: 'setConfigEpoch', node: nameOf(n), epoch: n })),
      ...[1, 2, 3].map((n, i) => ({ kind: 'addSlots', node: nameOf(n), ranges: SHARES.slice(i, i + 1) })),
      ...meets,
    ]);
  });

  describe('lets a replica stand in for each new master, so that nobody waits for a master to serve', () => {
    /** The stand-ins of h1, h2 and h3. */
    const STAND_INS = [6, 4, 5];
    const held = STAND_INS.reduce((seen, n) => withHold(seen, n), fresh);
    /** All know each other; the stand-ins have the slots and the planned masters replicate them. */
    const standing = STAND_INS.reduce((seen, standIn, i) => {
      const owning = { masterId: null, slots: SHARES.slice(i, i + 1), configEpoch: i + 1, flags: ['master'] };
      const replicating = { masterId: idOf(standIn), slots: [], flags: ['slave'] };
      const swapped = withEntryEverywhere(withEntryEverywhere(seen, standIn, owning), i + 1, replicating);
      return withNode(withHold(swapped, standIn), standIn, { keys: 0, clusterState: 'fail' });
    }, sound);

    it('which gets no slots before it is seen that it takes no writes', () => {
      expect(plan(fresh).actions).toEqual([
        ...STAND_INS.map((n, i) => ({ kind: 'setConfigEpoch', node: nameOf(n), epoch: i + 1 })),
        ...STAND_INS.map((n, i) => ({ kind: 'holdWrites', node: nameOf(n), for: nameOf(i + 1) })),
        ...meets,
        // The hub meets its own stand-in and the other masters anyway.
        ...[meet(2, 4), meet(2, 3), meet(3, 5)],
      ]);
      expect(plan(held).actions.filter(({ kind }) => kind === 'addSlots')).toEqual(
        STAND_INS.map((n, i) => ({ kind: 'addSlots', node: nameOf(n), ranges: SHARES.slice(i, i + 1) })),
      );
    });

    it('from which the planned masters take over, one at a time', () => {
      const { actions, settled } = plan(standing);
      expect([actions, settled]).toEqual([[{ kind: 'takeOver', node: nameOf(1), from: nameOf(6) }], false]);
    });

    it.each<[string, Observation]>([
      ['that does not serve yet', withNode(standing, 1, { clusterState: 'fail' })],
      ['that does not see its slots yet', withEntry(standing, { viewer: 1, member: 6 }, { slots: [] })],
    ])('but no planned master %s', (_, observation) => {
      const { actions, settled } = plan(observation);
      expect([actions, settled]).toEqual([[{ kind: 'takeOver', node: nameOf(2), from: nameOf(4) }], false]);
    });

    it.each<[string, Observation]>([
      ['has not heard of it', withEntry(standing, { viewer: 3, member: 2 }, null)],
      ['has no link to it', withEntry(standing, { viewer: 3, member: 2 }, { link: 'disconnected' })],
    ])('and none while one of them %s: it would miss its slots', (_, observation) => {
      const { actions, settled } = plan(observation);
      expect([actions.filter(({ kind }) => kind === 'takeOver'), settled]).toEqual([[], false]);
    });

    it('and no planned master from one that may have taken writes', () => {
      const free = STAND_INS.reduce((seen, n) => withNode(seen, n, { settings: {} }), standing);
      expect(plan(free)).toMatchObject({ actions: [], settled: true });
    });

    it.each<[string, Observation]>([
      ['has keys', withNode(fresh, 4, { keys: 1 })],
      ['serves', withNode(fresh, 4, { clusterState: 'ok' })],
      ['replicates somebody', withEntry(fresh, { viewer: 4, member: 4 }, { masterId: idOf(9) })],
    ])('but not where a node of the shard %s', (_, observation) => {
      const epochs = plan(observation).actions.filter(({ kind }) => kind === 'setConfigEpoch');
      expect(epochs.map(({ node }) => node)).not.toContain(nameOf(4));
    });
  });

  it('gives only slots that nobody has, and does nothing while a handshake is on its way', () => {
    const begun = withExtraEntry(blank(sound, 6), [1], { id: idOf(9), address: '10.0.0.6', flags: ['handshake'] });
    const forgotten = [1, 2, 3, 4, 5].reduce((seen, viewer) => withEntry(seen, { viewer, member: 6 }, null), begun);
    const lost = withEntryEverywhere(forgotten, 1, { slots: [[0, 99]] });
    expect(plan(lost).actions).toEqual([{ kind: 'addSlots', node: nameOf(1), ranges: [[100, 5460]] }]);
  });

  it('attaches a member that replicates nobody to its planned master', () => {
    const idle = withEntryEverywhere(sound, 5, { masterId: null, flags: ['master'] });
    expect(plan(idle).actions).toEqual([{ kind: 'replicate', node: nameOf(5), master: nameOf(3), masterId: idOf(3) }]);
  });

  it('lets roles stand that a failover has swapped', () => {
    const promoted = withEntryEverywhere(sound, 4, { masterId: null, slots: SHARES.slice(1, 2), configEpoch: 9 });
    const swapped = withEntryEverywhere(promoted, 2, { masterId: idOf(4), slots: [] });
    expect(plan(swapped)).toMatchObject({ actions: [], settled: true, refusals: [] });
  });

  it('lets replicas stand that hang on each other’s masters', () => {
    const crossed = withEntryEverywhere(withEntryEverywhere(sound, 4, { masterId: idOf(3) }), 5, { masterId: idOf(2) });
    expect(plan(crossed)).toMatchObject({ actions: [], settled: true });
  });

  it('moves a replica from a master that has one too many to one that has none', () => {
    const uneven = withEntryEverywhere(sound, 6, { masterId: idOf(2) });
    expect(plan(uneven).actions).toEqual([
      { kind: 'replicate', node: nameOf(6), master: nameOf(1), masterId: idOf(1) },
    ]);
  });

  it('waits for a silent node, and does nothing without it', () => {
    expect(plan(withSilent(fresh, 4, 'timeout'))).toMatchObject({ actions: [], settled: false });
    expect(plan(withSilent(fresh, 4, 'timeout')).waitingFor).toContain(`${nameOf(4)} does not answer`);
  });

  it.each<[string, Observation, RegExp]>([
    ['a view that differs', withEntry(sound, { viewer: 5, member: 1 }, { slots: [] }), /h5:6379 sees other owners/],
    ['a role not heard of', withEntry(sound, { viewer: 5, member: 4 }, { masterId: null }), /another role of h4:6379/],
    ['a failure flag', withEntry(sound, { viewer: 5, member: 1 }, { flags: ['fail?'] }), /h5:6379 takes h1:6379/],
    ['a bus link', withEntry(sound, { viewer: 5, member: 1 }, { link: 'disconnected' }), /no bus link to h1:6379/],
    ['a node that does not serve', withNode(sound, 6, { clusterState: 'fail' }), /h6:6379 says cluster_state:fail/],
    ['equal epochs', withEntryEverywhere(sound, 2, { configEpoch: 1 }), /same config epoch 1/],
    ['a first sync', replicaLink({ link: 'down', syncing: true }), /h4:6379 is in its first sync/],
    ['a replication link', replicaLink({ link: 'down', syncing: false }), /h4:6379 has no replication link/],
    ['a replica of somebody else', replicaLink({ masterAddress: '10.0.0.3' }), /h4:6379 copies 10\.0\.0\.3:6379/],
  ])('is not done before the last condition has come true: %s', (_, observation, waiting) => {
    const { actions, settled, waitingFor } = plan(observation);
    expect([actions, settled]).toEqual([[], true]);
    expect(waitingFor).toEqual([expect.stringMatching(waiting)]);
  });

  describe('refuses, with the identity, and plans nothing', () => {
    const foreign = { id: idOf(9), address: '10.0.9.9', port: 6379, slots: [] };

    it.each<[string, Observation, RegExp]>([
      ['keys of a stranger', blank(fresh, 2, { keys: 7 }), new RegExp(`^h2:6379 \\(ID ${idOf(2)}\\) holds 7 keys`)],
      [
        'a member of another cluster',
        withExtraEntry(fresh, [2], { ...foreign, flags: ['master'] }),
        new RegExp(`^h2:6379 .* belongs to a cluster with 10\\.0\\.9\\.9:6379 \\(${idOf(9)}\\)`),
      ],
      [
        'slots of its own beside a cluster with data',
        blank(sound, 6, { slots: [[0, 9]] }),
        /^h6:6379 .* owns 10 slots \(0-9\) beside a cluster that holds data/,
      ],
    ])('%s', (_, observation, says) => {
      const { actions, refusals, settled } = plan(forgetting(observation, 6));
      expect([actions, settled]).toEqual([[], false]);
      expect(refusals.map(({ what }) => what)).toEqual([expect.stringMatching(says)]);
    });

    it('a whole cluster of another shape', () => {
      const two = { ...WANTED, masters: WANTED.masters.slice(0, 2) };
      expect(plan(sound, two).refusals).toEqual([
        expect.objectContaining({ what: 'All slots are owned by 3 masters, and the spec wants 2.' }),
      ]);
    });
  });

  it('takes a dead member that nobody declares for a ghost, not for another cluster', () => {
    const ghost = { id: idOf(9), address: '10.0.9.9', port: 6379, slots: [], flags: ['master', 'fail'] };
    const haunted = withExtraEntry(withEntryEverywhere(sound, 5, { masterId: null }), [1, 2, 3, 4, 5, 6], ghost);
    expect(plan(haunted)).toMatchObject({ refusals: [], actions: [{ kind: 'replicate', node: nameOf(5) }] });
  });
});

function replicaLink(change: object): Observation {
  const node = sound.nodes[3] as AnsweringNode;
  return withNode(sound, 4, { replication: { ...node.replication, ...change } });
}

function withHold(observation: Observation, n: number): Observation {
  return withNode(observation, n, { settings: { [STAND_IN_HOLD.setting]: STAND_IN_HOLD.value } });
}

/** The others do not know this node. */
function forgetting(observation: Observation, member: number): Observation {
  return [1, 2, 3, 4, 5].reduce((seen, viewer) => withEntry(seen, { viewer, member }, null), observation);
}
