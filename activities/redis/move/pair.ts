import type { SlotKeys } from '../../../domain/move-groups.js';
import { gossipMends } from '../../../domain/misled.js';
import { ownLine } from '../../../domain/move-transfers.js';
import { viewedOwners } from '../../../domain/ownership.js';
import { myselfIn, parseClusterNodes } from '../../../domain/parse-nodes.js';
import { eachSlot } from '../../../domain/ownership.js';
import { type Command, countOf, textOf } from '../connection.js';
import type { MovingNodes, Transfer } from './mover.js';
import { MoveTrouble, silent, taken } from './trouble.js';

/** How many slots are counted in one round trip. */
const COUNTED_AT_ONCE = 1024;

/** A transfer as both ends see it. */
export interface Pair {
  /** The target owns them already, and the source or others may not know it. */
  readonly handedOver: readonly number[];
  /** Somebody began to move them: they are open at one end or both. */
  readonly begun: readonly number[];
  /** To be moved: those that were begun first, then in order. */
  readonly waiting: readonly number[];
  /** Of these the target takes somebody else for the owner: it has to be told, else it would never ask the source. */
  readonly misled: ReadonlySet<number>;
  /** As `misled`, and gossip tells it once it has no flag for them: it is not told by us. */
  readonly unheard: readonly number[];
}

/** What both ends say of themselves and of the slots. @throws MoveTrouble where an end is no master any more, or has a slot open towards somebody else */
export async function lookAtPair({ from, to, ranges, mates }: Transfer, nodes: MovingNodes): Promise<Pair> {
  const [source, target] = await Promise.all([viewOf(from.name, nodes), viewOf(to.name, nodes)]);
  const [giving, taking] = [selfOf(source, from.name), selfOf(target, to.name)];
  const migrating = new Map(giving.migrating.map(({ slot, peer }) => [slot, peer]));
  const importing = new Set(taking.importing.map(({ slot }) => slot));
  const owned = new Set(eachSlot(taking.slots));
  const owners = viewedOwners(target.view);
  const slots = [...eachSlot(ranges)];
  const [handedOver, begun, fresh] = [[] as number[], [] as number[], [] as number[]];
  for (const slot of slots) {
    const peer = migrating.get(slot);
    if (owned.has(slot)) handedOver.push(slot);
    else if (peer !== undefined && peer !== to.id && mates?.has(peer) !== true) throw elsewhere(from.name, slot);
    else (peer !== undefined || importing.has(slot) ? begun : fresh).push(slot);
  }
  const waiting = [...begun, ...fresh];
  const misled = waiting.filter((slot) => owners[slot] !== source.id);
  const entryOf = new Map(target.view.map((entry) => [entry.id, entry]));
  const ownerEpoch = giving.configEpoch;
  const unheard = misled.filter((slot) => gossipMends({ seen: entryOf.get(owners[slot] ?? ''), ownerEpoch }));
  return { handedOver, begun, waiting, misled: new Set(misled), unheard };
}

/** How many keys the source has in each slot. @throws MoveTrouble */
export async function countKeys(node: string, slots: readonly number[], nodes: MovingNodes): Promise<SlotKeys[]> {
  const counted: SlotKeys[] = [];
  for (let at = 0; at < slots.length; at += COUNTED_AT_ONCE) {
    const some = slots.slice(at, at + COUNTED_AT_ONCE);
    const commands = some.map((slot): Command => ['CLUSTER', 'COUNTKEYSINSLOT', slot]);
    const replies = await taken(node, nodes.send(node, commands));
    counted.push(...some.map((slot, i) => ({ slot, keys: countOf(replies[i]) })));
  }
  return counted;
}

async function viewOf(node: string, nodes: MovingNodes) {
  try {
    const [text] = await nodes.send(node, [['CLUSTER', 'NODES']]);
    const view = parseClusterNodes(textOf(text));
    return { id: myselfIn(view), view };
  } catch (error) {
    throw silent(error, node);
  }
}

function selfOf(viewer: Parameters<typeof ownLine>[0], node: string) {
  const self = ownLine(viewer);
  if (self?.masterId === null) return self;
  throw new MoveTrouble({ trouble: 'roles', node, words: 'it is no master any more' });
}

function elsewhere(node: string, slot: number): MoveTrouble {
  return new MoveTrouble({ trouble: 'roles', node, slot, words: 'it is open towards another node' });
}
