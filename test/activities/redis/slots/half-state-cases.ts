import type { RepairName } from '../../../../domain/slot-repairs.js';
import type { FindingCode } from '../../../../domain/verdict.js';
import type { Engine } from '../../../../lab/engines.js';
import type { HalfCluster, Shard } from '../../../support/half-states.js';

/** The slots of one test, and who has to do with them. */
export interface Scene {
  readonly cluster: HalfCluster;
  readonly source: Shard;
  readonly target: Shard;
  readonly third: Shard;
  readonly slots: readonly number[];
}

export interface HalfState {
  readonly name: string;
  readonly make: (scene: Scene) => Promise<void>;
  /** Who owns the slots in the end, and by which repairs. */
  readonly owner: 'source' | 'target' | 'third';
  readonly repairs: readonly RepairName[];
  readonly why: RegExp;
  /** Is among our findings. */
  readonly finding: FindingCode;
  /** Engines on which it is another state: flags are copied to replicas, or it heals by itself within a second. */
  readonly not?: readonly Engine['kind'][];
  /** Whose master is killed then. It comes back when all is mended. */
  readonly kills?: 'source' | 'target' | 'third';
  /** Engines on which that one has to be back before anything is mended: coming later it would take its slots back. */
  readonly backFirst?: readonly Engine['kind'][];
}

async function open({ cluster, source, target, slots }: Scene): Promise<void> {
  await cluster.fill(source.master, slots);
  await cluster.setSlots(target.master, slots, 'IMPORTING', source.id);
  await cluster.setSlots(source.master, slots, 'MIGRATING', target.id);
}

/** Open, and the first three of five keys of each slot have gone. A client has written one of them anew since, and one that was not there before. */
async function halfMoved(scene: Scene): Promise<void> {
  const { cluster, source, target, slots } = scene;
  await open(scene);
  await cluster.migrate(source.master, target.master, slots, 3);
  for (const slot of slots) {
    const [moved = '', , , , , fresh = ''] = cluster.keysOf(slot, 6);
    for (const key of [moved, fresh]) {
      await cluster.asked(target.master, key, `asked ${key}`);
      cluster.ledger.set(key, `asked ${key}`);
    }
  }
}

async function allMoved(scene: Scene): Promise<void> {
  const { cluster, source, target, slots } = scene;
  await open(scene);
  await cluster.migrate(source.master, target.master, slots, 5);
}

/** What a MIGRATE whose answer was lost leaves: a copy on the target that is older than the source's. */
async function staleCopies({ cluster, target, slots }: Scene): Promise<void> {
  for (const slot of slots) await cluster.asked(target.master, cluster.keysOf(slot)[4] ?? '', 'a stale copy');
}

export const KILLED_DRIVERS: readonly HalfState[] = [
  {
    name: 'importing only',
    make: async ({ cluster, source, target, slots }) => {
      await cluster.fill(source.master, slots);
      await cluster.setSlots(target.master, slots, 'IMPORTING', source.id);
    },
    owner: 'source',
    repairs: ['close-slot'],
    why: /no key has been moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'migrating only',
    make: async ({ cluster, source, target, slots }) => {
      await cluster.fill(source.master, slots);
      await cluster.setSlots(source.master, slots, 'MIGRATING', target.id);
    },
    owner: 'source',
    repairs: ['close-slot'],
    why: /no key has been moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'both, and no key moved',
    make: open,
    owner: 'source',
    repairs: ['close-slot'],
    why: /no key/,
    finding: 'OpenSlot',
  },
  {
    name: 'the target has copies of keys that the source has, and older ones',
    make: async (scene) => {
      await open(scene);
      await staleCopies(scene);
    },
    owner: 'target',
    repairs: ['finish-move'],
    why: /keys have been moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'keys on both sides',
    make: async (scene) => {
      await halfMoved(scene);
      await staleCopies(scene);
    },
    owner: 'target',
    repairs: ['finish-move'],
    why: /keys have been moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'all keys moved',
    make: allMoved,
    owner: 'target',
    repairs: ['finish-move'],
    why: /moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'the source was told first: nobody claims them',
    make: async (scene) => {
      await allMoved(scene);
      await scene.cluster.setSlots(scene.source.master, scene.slots, 'NODE', scene.target.id);
    },
    owner: 'target',
    repairs: ['tell-owner'],
    why: /nobody claims them/,
    finding: 'SlotUncovered',
    not: ['valkey'],
  },
  {
    name: 'the source has lost its flag',
    make: async (scene) => {
      await halfMoved(scene);
      await scene.cluster.setSlots(scene.source.master, scene.slots, 'STABLE');
    },
    owner: 'target',
    repairs: ['finish-move'],
    why: /does not know of the move/,
    finding: 'OpenSlot',
  },
  {
    name: 'the target has lost its flag',
    make: async (scene) => {
      await halfMoved(scene);
      await scene.cluster.setSlots(scene.target.master, scene.slots, 'STABLE');
    },
    owner: 'target',
    repairs: ['finish-move'],
    why: /does not know of the move/,
    finding: 'OpenSlot',
  },
  {
    name: 'closed by hand on both sides with keys on each',
    make: async (scene) => {
      await halfMoved(scene);
      await staleCopies(scene);
      await scene.cluster.setSlots(scene.source.master, scene.slots, 'STABLE');
      await scene.cluster.setSlots(scene.target.master, scene.slots, 'STABLE');
    },
    owner: 'target',
    repairs: ['finish-move'],
    why: /has keys of slots that it does not own/,
    finding: 'StrayKeys',
  },
  {
    name: 'a third node has keys of them, too',
    make: async (scene) => {
      const { cluster, source, third, slots } = scene;
      await halfMoved(scene);
      await cluster.setSlots(third.master, slots, 'IMPORTING', source.id);
      for (const slot of slots) {
        const [first = '', , , , last = ''] = cluster.keysOf(slot);
        const own = cluster.keysOf(slot, 8)[7] ?? '';
        for (const key of [first, last, own]) await cluster.asked(third.master, key, `third ${key}`);
        cluster.ledger.set(own, `third ${own}`);
      }
    },
    owner: 'target',
    repairs: ['finish-move', 'gather-keys'],
    why: /keys have been moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'the owner does not claim them any more',
    make: async ({ cluster, source, slots }) => {
      await cluster.fill(source.master, slots);
      await cluster.tell(source.master, ['CLUSTER', 'DELSLOTS', ...slots]);
    },
    owner: 'source',
    repairs: ['tell-owner'],
    why: /nobody claims them/,
    finding: 'SlotUncovered',
  },
  {
    name: 'no node knows an owner',
    make: async ({ cluster, source, target, third, slots }) => {
      await cluster.fill(source.master, slots);
      for (const { master } of [source, target, third]) {
        await cluster.tell(master, ['CLUSTER', 'DELSLOTS', ...slots]).catch(() => undefined);
      }
      for (const { replica } of [source, target, third]) {
        await cluster.tell(replica, ['CLUSTER', 'DELSLOTS', ...slots]).catch(() => undefined);
      }
    },
    owner: 'source',
    repairs: ['assign-slots'],
    why: /no node knows an owner/,
    finding: 'SlotUncovered',
  },
];

export const SWAPS: readonly HalfState[] = [
  {
    name: 'the source was switched over in the middle',
    make: async (scene) => {
      await halfMoved(scene);
      await scene.cluster.swap(scene.source);
    },
    owner: 'target',
    repairs: ['finish-move'],
    why: /in whose place|keys have been moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'the source was switched over before a key had gone',
    make: async (scene) => {
      await open(scene);
      await scene.cluster.swap(scene.source);
    },
    owner: 'source',
    repairs: ['close-slot'],
    why: /no key has been moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'the target was switched over in the middle',
    make: async (scene) => {
      await halfMoved(scene);
      await scene.cluster.swap(scene.target);
    },
    owner: 'target',
    repairs: ['finish-move'],
    why: /on its way to|keys have been moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'both were switched over in the middle',
    make: async (scene) => {
      await halfMoved(scene);
      await scene.cluster.swap(scene.source);
      await scene.cluster.swap(scene.target);
    },
    owner: 'target',
    repairs: ['finish-move'],
    why: /does not own/,
    finding: 'StrayKeys',
    not: ['valkey'],
  },
  {
    name: 'both were switched over in the middle, and their flags with them',
    make: async (scene) => {
      await halfMoved(scene);
      await scene.cluster.swap(scene.source);
      await scene.cluster.swap(scene.target);
    },
    owner: 'target',
    repairs: ['finish-move'],
    why: /keys have been moved|on its way/,
    finding: 'OpenSlot',
    not: ['redis'],
  },
];

export const KILLED_NODES: readonly HalfState[] = [
  {
    name: 'the source was killed in the middle',
    make: halfMoved,
    kills: 'source',
    owner: 'target',
    repairs: ['finish-move'],
    why: /in whose place|keys have been moved|does not know of the move/,
    finding: 'OpenSlot',
  },
  {
    name: 'the target was killed in the middle',
    make: halfMoved,
    kills: 'target',
    backFirst: ['valkey'],
    owner: 'target',
    repairs: ['finish-move'],
    why: /on its way to|keys have been moved/,
    finding: 'OpenSlot',
  },
  {
    name: 'the target was killed before a key had come',
    make: open,
    kills: 'target',
    owner: 'source',
    repairs: ['close-slot'],
    why: /no key/,
    finding: 'OpenSlot',
  },
  {
    name: 'a third master does not answer while they are mended, and comes back with what it knew',
    make: halfMoved,
    kills: 'third',
    owner: 'target',
    repairs: ['finish-move'],
    why: /keys have been moved/,
    finding: 'OpenSlot',
  },
];
