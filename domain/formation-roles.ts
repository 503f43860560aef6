import type { FormationAction, FormationWanted, FormingNode } from './formation.js';
import type { ViewEntry } from './observation.js';
import { knows } from './picture.js';

/** The nodes that the plan puts together, its master first. */
export type Shard = readonly FormingNode[];

export function shardsOf(wanted: FormationWanted, nodes: readonly FormingNode[]): Shard[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return wanted.masters.map((master) =>
    [master.node, ...wanted.replicas.filter(({ of }) => of === master.node).map(({ node }) => node)].flatMap(
      (name) => byName.get(name) ?? [],
    ),
  );
}

/** The node that is the shard's master in reality, or is to become it: an owner of slots, else the first that is not a replica. */
export function headOf(shard: Shard | undefined): FormingNode | undefined {
  return shard?.find(ownsSlotsItself) ?? shard?.find((node) => selfEntry(node)?.masterId === null) ?? shard?.[0];
}

export interface ReplicaPlan {
  readonly actions: readonly FormationAction[];
  /** Whether every node that is no master replicates one, and each master has as many as planned. */
  readonly complete: boolean;
}

/** Who still has to be attached to whom. Replicas that hang on a master with room for them stay where they are. */
export function planReplicas(nodes: readonly FormingNode[], shards: readonly Shard[]): ReplicaPlan {
  const room = freePlaces(nodes, shards);
  const homeless = nodes.filter((node) => !room.has(node) && !takePlace(room, currentMaster(node, room)));
  const actions = homeless.flatMap((node) => {
    const master = bestMaster({ node, shards, room });
    if (master === undefined) return [];
    takePlace(room, master);
    return knows(node, master)
      ? [{ kind: 'replicate' as const, node: node.name, master: master.name, masterId: master.id }]
      : [];
  });
  return { actions, complete: homeless.length === 0 };
}

type Room = Map<FormingNode, number>;

/** Every master with the number of replicas that it may have. An owner of slots outside of the plan is a master, too. */
function freePlaces(nodes: readonly FormingNode[], shards: readonly Shard[]): Room {
  const room: Room = new Map(nodes.filter(ownsSlotsItself).map((node) => [node, 0]));
  for (const shard of shards) {
    const head = headOf(shard);
    if (head !== undefined) room.set(head, (room.get(head) ?? 0) + shard.length - 1);
  }
  return room;
}

function currentMaster(node: FormingNode, room: Room): FormingNode | undefined {
  const masterId = selfEntry(node)?.masterId;
  return [...room.keys()].find(({ id }) => id === masterId);
}

function takePlace(room: Room, master: FormingNode | undefined): boolean {
  const free = master === undefined ? 0 : (room.get(master) ?? 0);
  if (master === undefined || free === 0) return false;
  room.set(master, free - 1);
  return true;
}

/** The planned master where it has room, else one in another zone with room, else any with room. */
function bestMaster({ node, shards, room }: { node: FormingNode; shards: readonly Shard[]; room: Room }) {
  const open = [...room].filter(([, free]) => free > 0).map(([master]) => master);
  const planned = headOf(shards.find((shard) => shard.includes(node)));
  return open.find((master) => master === planned) ?? open.find(({ zone }) => zone !== node.zone) ?? open[0];
}

function ownsSlotsItself(node: FormingNode): boolean {
  const self = selfEntry(node);
  return self !== undefined && self.masterId === null && self.slots.length > 0;
}

function selfEntry(node: FormingNode): ViewEntry | undefined {
  return node.view.find(({ id }) => id === node.id);
}
