import type { ApplyWorld } from './apply-world.js';
import { type DeclaredNode, declaredNodes, leavingNodes } from './nodes.js';
import { type AnsweringNode, type ObservedNode, selfOf, type SilentNode, type ViewEntry } from './observation.js';
import { eachSlot, rangesBy } from './ownership.js';
import { endpoint, hearsay, pictureOf, type Picture } from './picture.js';
import type { NamedNode } from './reshape-steps.js';
import { SLOT_COUNT, type SlotRange } from './slots.js';

/** A declared node that belongs to the cluster, whether it answers or is only spoken of. */
export interface Member {
  readonly node: DeclaredNode;
  readonly id: string;
  readonly leaving: 'drain' | 'lost' | null;
  /** `null` where it does not answer. */
  readonly answer: AnsweringNode | null;
  /** The member that it replicates; `null` of a master, and where nobody of ours is its master. */
  readonly master: string | null;
  /** Whether it is a replica at all, of whomever. */
  readonly isReplica: boolean;
  /** Whether it holds a copy of its master's data now. */
  readonly inSync: boolean;
  /** What it owns, as it will be once half states are mended. */
  readonly slots: readonly SlotRange[];
}

/** A cluster that has been formed, as far as its declared nodes go. */
export interface Members {
  readonly members: readonly Member[];
  /** Declared nodes that are to stay and are no members yet. */
  readonly newcomers: readonly DeclaredNode[];
  /** Slots that no declared member owns. */
  readonly uncovered: readonly SlotRange[];
  readonly picture: Picture;
}

type World = Pick<ApplyWorld, 'spec' | 'surveys' | 'observation' | 'repairs'>;

/**
 * The cluster's members among the declared nodes. `null` where none of the hosts' records knows a node of the group that answers: then nothing was ever formed,
 * or it is not ours.
 */
export function membersOf(world: World): Members | null {
  const picture = pictureOf(world.observation, null);
  const known = new Set(world.surveys.flatMap(({ record }) => Object.values(record.identities)));
  const ours = picture.members.filter(({ declared }) => declared);
  if (!ours.some(({ id }) => known.has(id))) return null;
  const leaving = new Map(leavingNodes(world.spec).map((node) => [node.name, node.leaving]));
  const found = declaredNodes(world.spec).map((node) => ({ node, seen: seenOf(world, { node, picture }) }));
  const ids = new Map(found.flatMap(({ node, seen }) => (seen === null ? [] : [[seen.id, node.name] as const])));
  const owners = ownersOf(world, ours);
  const members = found.flatMap(({ node, seen }): Member[] => {
    if (seen === null) return [];
    const { id, answer, masterId } = seen;
    return [
      {
        ...{ node, id, answer },
        leaving: leaving.get(node.name) ?? null,
        master: masterId === null ? null : (ids.get(masterId) ?? null),
        isReplica: masterId !== null,
        inSync: answer?.replication.role === 'replica' && answer.replication.link === 'up' && masterId !== null,
        slots: owners.get(node.name) ?? [],
      },
    ];
  });
  const newcomers = found.filter(({ node, seen }) => seen === null && !leaving.has(node.name)).map(({ node }) => node);
  return { members, newcomers, uncovered: owners.get(NOBODY) ?? [], picture };
}

const NOBODY = '';

interface Seen {
  readonly id: string;
  readonly answer: AnsweringNode | null;
  readonly masterId: string | null;
}

/** What a node says of itself where it answers as a member; else what the members say of it. */
function seenOf(world: World, { node, picture }: { node: DeclaredNode; picture: Picture }): Seen | null {
  const observed = world.observation.nodes.find(({ name }) => name === node.name);
  if (observed?.answered === true) {
    if (!picture.members.includes(observed)) return null;
    return { id: observed.id, answer: observed, masterId: selfOf(observed)?.masterId ?? null };
  }
  const entry = spokenOf(world, { node, picture, observed });
  return entry === undefined ? null : { id: entry.id, answer: null, masterId: entry.masterId };
}

/** A silent node's entry in the members' views: under the identity that its host remembers, else at its address. */
function spokenOf(
  { surveys }: World,
  { node, picture, observed }: { node: DeclaredNode; picture: Picture; observed: ObservedNode | undefined },
): ViewEntry | undefined {
  const remembered = surveys.find(({ host }) => host === node.host)?.record.identities[String(node.port)];
  const byId = remembered === undefined ? undefined : picture.sightings.get(remembered)?.[0]?.entry;
  const silent: SilentNode = {
    ...{ name: node.name, host: node.host, zone: node.zone, address: node.address, port: node.port },
    ...{ declared: true, answered: false, silence: 'unreachable', detail: '' },
  };
  return byId ?? hearsay(picture, observed?.answered === false ? observed : silent);
}

/** Who owns which slots by their own word; a half state counts as it will be when it is mended. By name; `NOBODY` has what nobody, or more than one, claims. */
function ownersOf({ repairs = [] }: World, members: readonly AnsweringNode[]): Map<string, SlotRange[]> {
  const owners = new Array<string>(SLOT_COUNT).fill(NOBODY);
  const claims = new Array<number>(SLOT_COUNT).fill(0);
  for (const member of members) {
    const self = selfOf(member);
    if (self === undefined || self.masterId !== null) continue;
    for (const slot of eachSlot(self.slots)) {
      claims[slot] = (claims[slot] ?? 0) + 1;
      owners[slot] = claims[slot] === 1 ? member.name : NOBODY;
    }
  }
  for (const { ranges, owner } of repairs) {
    const master = masterNow(members, owner);
    for (const slot of eachSlot(ranges)) owners[slot] = master;
  }
  return rangesBy((slot) => owners[slot] ?? NOBODY);
}

/** The master of a node's shard at this moment. */
function masterNow(members: readonly AnsweringNode[], name: string): string {
  const node = members.find((one) => one.name === name);
  const masterId = node === undefined ? undefined : selfOf(node)?.masterId;
  return members.find(({ id }) => id === masterId)?.name ?? name;
}

/** IDs at an address that the members still know, and under which the node that has the address does not answer. */
export function ghostsAt({ picture }: Members, node: DeclaredNode): NamedNode[] {
  const alive = new Set(picture.answering.map(({ id }) => id));
  return [...picture.sightings]
    .filter(([id, sightings]) => !alive.has(id) && sightings.some(({ entry }) => endpoint(entry) === endpoint(node)))
    .map(([nodeId]) => ({ name: node.name, nodeId }));
}
