import type { FormationAction, FormationWanted, FormingNode } from './formation.js';
import { isHeld } from './formation-tuning.js';
import type { ViewEntry } from './observation.js';
import { inHandshake, knows } from './picture.js';
import { formatRanges } from './slots.js';

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

/** The node that is the shard's master in reality, or is to become it: an owner of slots, else a stand-in, else the first that is not a replica. */
export function headOf(shard: Shard | undefined): FormingNode | undefined {
  return (
    shard?.find(ownsSlotsItself) ??
    standInOf(shard) ??
    shard?.find((node) => selfEntry(node)?.masterId === null) ??
    shard?.[0]
  );
}

/**
 * The replica that gets the slots of a new shard in its master's place. A master that has just started serves nobody for two seconds (Redis's
 * CLUSTER_WRITABLE_DELAY: it could be an old one that comes back to a cluster that has replaced it), and a replica does not have to wait, nor a replica that
 * takes over. So where nobody has a past the planned master begins as the replica of the stand-in, and takes over as soon as it serves.
 */
export function standInOf(shard: Shard | undefined): FormingNode | undefined {
  const [planned, standIn] = shard ?? [];
  return shard?.every(isBlank) === true && planned !== undefined ? standIn : undefined;
}

/** It was never part of a cluster that served. */
function isBlank(node: FormingNode): boolean {
  const self = selfEntry(node);
  return self?.masterId === null && self.slots.length === 0 && node.keys === 0 && node.clusterState === 'fail';
}

/** The nodes that have slots in another's place at this moment. */
export function standIns(nodes: readonly FormingNode[]): FormingNode[] {
  return nodes.filter((node) => ownsSlotsItself(node) && isHeld(node));
}

export interface TakeOverPlan {
  readonly actions: readonly FormationAction[];
  /** Whether no stand-in is left that its planned master replicates. */
  readonly complete: boolean;
}

/**
 * The planned masters that can take over from their stand-ins. Only one at a time: each takes the highest epoch that it has heard of and one more. It has
 * to see the slots as the stand-in's, else it would take over nothing; and the stand-in has to be held, so that no write of a client is lost. The
 * planned masters have to hear each other: one that hears of the stand-in's new role and not of its successor misses slots, and waits its two seconds after all.
 */
export function takeOvers(shards: readonly Shard[]): TakeOverPlan {
  const waiting = shards.flatMap((shard) => {
    const [[planned], [owner]] = [shard, standIns(shard)];
    if (planned === undefined || owner === undefined) return [];
    return selfEntry(planned)?.masterId === owner.id ? [{ planned, owner }] : [];
  });
  const masters = shards.flatMap(([planned]) => planned ?? []);
  const met = masters.every((viewer) => masters.every((other) => hears(viewer, other)));
  const ready = waiting.find(({ planned, owner }) => planned.clusterState === 'ok' && seesSlotsOf(planned, owner));
  return {
    actions: met && ready !== undefined ? [{ kind: 'takeOver', node: ready.planned.name, from: ready.owner.name }] : [],
    complete: waiting.length === 0,
  };
}

function hears(viewer: FormingNode, other: FormingNode): boolean {
  const entry = viewer.view.find(({ id }) => id === other.id);
  return viewer === other || (entry !== undefined && !inHandshake(entry) && entry.link === 'connected');
}

function seesSlotsOf(viewer: FormingNode, owner: FormingNode): boolean {
  const seen = viewer.view.find(({ id }) => id === owner.id)?.slots ?? [];
  return formatRanges(seen) === formatRanges(selfEntry(owner)?.slots ?? []);
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
