import type { ViewEntry } from '../../domain/observation.js';
import type { SlotAction } from '../../domain/slot-repair-actions.js';
import type { SlotStates } from '../../domain/slot-states.js';
import type { SlotRange } from '../../domain/slots.js';
import { declaredNodes } from '../../domain/nodes.js';
import { specOf } from './spec.js';

/** Slots that are moved about; those above belong to the masters for good, so that none is ever without slots. */
export const MOVING: readonly number[] = [0, 1, 2, 3];
const BLOCKS: ReadonlyMap<number, SlotRange> = new Map([
  [4, [4, 5000]],
  [5, [5001, 10_000]],
  [6, [10_001, 16_383]],
]);
const SLOTS = [...MOVING, ...BLOCKS.keys()];

/** What one node of the model knows and has. */
export interface ModelNode {
  readonly name: string;
  readonly id: string;
  alive: boolean;
  masterId: string | null;
  epoch: number;
  /** By slot, who owns it in its eyes. */
  owners: Map<number, string>;
  migrating: Map<number, string>;
  importing: Map<number, string>;
  /** By slot and key. A replica has the very same as its master. */
  keys: Map<number, Map<string, string>>;
  /** How it sees the others. */
  seen: Map<string, { masterId: string | null; epoch: number }>;
}

/**
 * A small cluster that keeps Redis's rules about slots, as far as the sources of 7.0 to 8.6 have them in common (src/cluster.c): what SETSLOT takes and
 * refuses, what a node makes of another one's claims, which keys it throws away then, and where clients are sent.
 */
export class SlotModel {
  readonly nodes: ModelNode[];
  /** The value of each key that a client was told is written. */
  readonly ledger = new Map<string, string>();
  /** Whether somebody has said that the dead will not come back. */
  deadAreLost = false;

  /** Three masters and a replica of each; all slots that move are with the first. */
  constructor() {
    const declared = declaredNodes(specOf());
    const ids = declared.map((_, i) => `${i + 1}`.repeat(40));
    const masterOf = (i: number) => (i < 3 ? null : (ids[i - 3] ?? null));
    const owners = SLOTS.map((slot) => [slot, ids[Math.max(0, slot - 4)] ?? ''] as const);
    const stores = [0, 1, 2].map(() => new Map<number, Map<string, string>>());
    this.nodes = declared.map(({ name }, i) => ({
      name,
      id: ids[i] ?? '',
      alive: true,
      masterId: masterOf(i),
      epoch: (i % 3) + 1,
      owners: new Map(owners),
      migrating: new Map(),
      importing: new Map(),
      keys: stores[i % 3] ?? new Map(),
      seen: new Map(ids.map((id, n) => [id, { masterId: masterOf(n), epoch: (n % 3) + 1 }])),
    }));
  }

  node(id: string | undefined): ModelNode {
    const node = this.nodes.find((one) => one.id === id || one.name === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** What an observer sees of it. */
  states(): SlotStates {
    const places = declaredNodes(specOf());
    const nodes = this.nodes.map((node, i) => {
      const { name, address = '', port = 0 } = places[i] ?? { name: node.name };
      const asked = { name, address, port, declared: true };
      if (!node.alive) return { ...asked, answered: false as const };
      return { ...asked, answered: true as const, id: node.id, view: this.#view(node), slotTasks: 0 };
    });
    const keys = this.masters().map((node): [string, Record<number, number>] => [
      node.name,
      Object.fromEntries(MOVING.map((slot) => [slot, keysIn(node, slot).size])),
    ]);
    const lost = this.nodes.filter(({ alive }) => !alive && this.deadAreLost).map(({ name }) => name);
    return { nodes, keys: Object.fromEntries(keys), hidden: {}, fallen: {}, lost, replicasPerMaster: 1 };
  }

  masters(): ModelNode[] {
    return this.nodes.filter(({ alive, masterId }) => alive && masterId === null);
  }

  /** One command of a repair or of a mover. `moved`: asked before each key; `false` cuts the action off there. @returns whether it was taken */
  take(action: SlotAction, slot: number, moved: () => boolean = () => true): boolean {
    const node = this.node(action.node);
    if (!node.alive || node.masterId !== null) return false;
    switch (action.kind) {
      case 'stable':
        node.migrating.delete(slot);
        node.importing.delete(slot);
        return true;
      case 'migrating':
        if (node.owners.get(slot) !== node.id || node.seen.get(action.id)?.masterId !== null) return false;
        node.migrating.set(slot, action.id);
        return true;
      case 'importing':
        if (node.owners.get(slot) === node.id || node.seen.get(action.id)?.masterId !== null) return false;
        node.importing.set(slot, action.id);
        return true;
      case 'own':
        return this.#own(node, slot, action.id);
      case 'bump':
        this.#bump(node);
        return true;
      case 'keys':
        return this.#moveKeys(node, this.node(action.to), { slot, replace: action.wins === 'source', moved });
      default:
        return action satisfies never;
    }
  }

  #own(node: ModelNode, slot: number, id: string): boolean {
    if (id !== node.id && node.seen.get(id)?.masterId !== null) return false;
    const isEmpty = keysIn(node, slot).size === 0;
    if (node.owners.get(slot) === node.id && id !== node.id && !isEmpty) return false;
    if (isEmpty) node.migrating.delete(slot);
    node.owners.set(slot, id);
    if (id !== node.id || !node.importing.delete(slot)) return true;
    this.#bump(node);
    for (const other of this.nodes) this.gossip(node, other);
    return true;
  }

  /** The node's epoch becomes the newest that it knows of. */
  #bump(node: ModelNode): void {
    const known = Math.max(node.epoch, ...[...node.seen.values()].map(({ epoch }) => epoch));
    const shared = [...node.seen].some(([id, { epoch }]) => id !== node.id && epoch === node.epoch);
    if (node.epoch < known || shared) node.epoch = known + 1;
    node.seen.set(node.id, { masterId: null, epoch: node.epoch });
  }

  #moveKeys(
    from: ModelNode,
    to: ModelNode,
    { slot, replace, moved }: { slot: number; replace: boolean; moved: () => boolean },
  ): boolean {
    const isOpen = from.owners.get(slot) === from.id || from.importing.has(slot) || from.migrating.has(slot);
    if (!isOpen || !to.alive || to.masterId !== null) return false;
    for (const [key, value] of [...keysIn(from, slot)]) {
      if (!moved()) return false;
      const takes =
        to.importing.has(slot) ||
        (to.owners.get(slot) === to.id && (!to.migrating.has(slot) || keysIn(to, slot).has(key)));
      if (!takes) return false;
      if (replace || !keysIn(to, slot).has(key)) keysIn(to, slot).set(key, value);
      // Delivered, and the source was never told.
      if (!moved()) return false;
      keysIn(from, slot).delete(key);
    }
    return true;
  }

  /** A client of the cluster writes, starting at any node; what is not taken is no write. */
  write(start: ModelNode, key: { readonly slot: number; readonly name: string }, value: string): void {
    let at: ModelNode | undefined = start;
    for (let hops = 0; hops < 5 && at?.alive === true; hops += 1) {
      const owner: string | undefined = at.owners.get(key.slot);
      if (owner === undefined) return;
      if (owner !== at.id || at.masterId !== null) {
        at = this.nodes.find(({ id }) => id === owner);
        continue;
      }
      const peer = at.migrating.get(key.slot);
      if (peer === undefined || keysIn(at, key.slot).has(key.name)) return this.#store(at, key, value);
      const asked = this.node(peer);
      const lets = asked.importing.has(key.slot) || asked.owners.get(key.slot) === asked.id;
      if (asked.alive && asked.masterId === null && lets) this.#store(asked, key, value);
      return;
    }
  }

  #store(node: ModelNode, { slot, name }: { slot: number; name: string }, value: string): void {
    keysIn(node, slot).set(name, value);
    this.ledger.set(name, value);
  }

  /** The first living replica takes over; the old master dies, or goes on as its replica. */
  failover(master: ModelNode, how: 'died' | 'planned'): void {
    const replica = this.nodes.find((node) => node.alive && node.masterId === master.id);
    if (replica === undefined || master.masterId !== null || !master.alive) return;
    if (!this.#isElected(replica, master, how)) return;
    const newest = Math.max(...this.nodes.map(({ epoch }) => epoch));
    replica.epoch = newest + 1;
    replica.masterId = null;
    replica.seen.set(replica.id, { masterId: null, epoch: replica.epoch });
    for (const [slot, owner] of replica.owners) if (owner === master.id) replica.owners.set(slot, replica.id);
    if (how === 'died') master.alive = false;
    else this.#follow(master, replica);
  }

  /** Most masters have to vote for it; one that knows a newer owner of what it would claim does not. */
  #isElected(replica: ModelNode, master: ModelNode, how: 'died' | 'planned'): boolean {
    const claimed = [...replica.owners].filter(([, owner]) => owner === master.id).map(([slot]) => slot);
    const votes = this.masters().filter((voter) => {
      if (voter === master && how === 'died') return false;
      return claimed.every((slot) => {
        const owner = voter.owners.get(slot);
        const epoch = owner === voter.id ? voter.epoch : (voter.seen.get(owner ?? '')?.epoch ?? 0);
        return owner === undefined || epoch <= master.epoch;
      });
    });
    return votes.length > 1;
  }

  #follow(node: ModelNode, master: ModelNode): void {
    for (const [slot, owner] of node.owners) if (owner === node.id) node.owners.set(slot, master.id);
    node.masterId = master.id;
    node.keys = master.keys;
    node.migrating.clear();
    node.importing.clear();
    node.seen.set(node.id, { masterId: master.id, epoch: node.epoch });
  }

  /** One message on the bus, and the answer where the receiver knows better. */
  gossip(sender: ModelNode, receiver: ModelNode): void {
    if (!sender.alive || !receiver.alive || sender === receiver) return;
    const before = receiver.seen.get(sender.id);
    if (before?.masterId === null && sender.masterId !== null) {
      for (const [slot, owner] of receiver.owners) if (owner === sender.id) receiver.owners.delete(slot);
    }
    receiver.seen.set(sender.id, { masterId: sender.masterId, epoch: sender.epoch });
    if (sender.masterId !== null) return;
    const claimed = SLOTS.filter((slot) => sender.owners.get(slot) === sender.id);
    hear(receiver, { id: sender.id, epoch: sender.epoch, slots: claimed });
    for (const slot of claimed) {
      const better = receiver.owners.get(slot);
      if (better === undefined || better === sender.id) continue;
      const epoch = better === receiver.id ? receiver.epoch : (receiver.seen.get(better)?.epoch ?? 0);
      if (epoch <= sender.epoch) continue;
      const slots = SLOTS.filter((one) => receiver.owners.get(one) === better);
      const known = sender.seen.get(better);
      sender.seen.set(better, { masterId: null, epoch: Math.max(epoch, known?.epoch ?? 0) });
      hear(sender, { id: better, epoch, slots });
    }
    const [first, second] = [sender, receiver].sort((a, b) => (a.id < b.id ? -1 : 1));
    if (first !== undefined && receiver.masterId === null && first.epoch === second?.epoch) this.#bump(first);
  }

  gossipAll(rounds = 3): void {
    for (let round = 0; round < rounds; round += 1) {
      for (const sender of this.nodes) for (const receiver of this.nodes) this.gossip(sender, receiver);
    }
  }

  #view(viewer: ModelNode): ViewEntry[] {
    const places = declaredNodes(specOf());
    return this.nodes.map((node, i) => {
      const seen = node === viewer ? viewer : viewer.seen.get(node.id);
      const slots = SLOTS.filter((slot) => viewer.owners.get(slot) === node.id).map(
        (slot): SlotRange => BLOCKS.get(slot) ?? [slot, slot],
      );
      const flags =
        node === viewer ? viewer : { migrating: new Map<number, string>(), importing: new Map<number, string>() };
      const { address = '', port = 0 } = places[i] ?? {};
      return {
        id: node.id,
        ...{ address, port, busPort: port + 10_000 },
        flags: [
          node === viewer ? 'myself' : '',
          seen?.masterId === null ? 'master' : 'slave',
          node.alive ? '' : 'fail',
        ].filter((flag) => flag !== ''),
        masterId: seen?.masterId ?? null,
        configEpoch: seen?.epoch ?? 0,
        link: node.alive ? 'connected' : 'disconnected',
        slots,
        migrating: [...flags.migrating].map(([slot, peer]) => ({ slot, peer })),
        importing: [...flags.importing].map(([slot, peer]) => ({ slot, peer })),
      };
    });
  }
}

export function keysIn({ keys }: ModelNode, slot: number): Map<string, string> {
  const found = keys.get(slot) ?? new Map<string, string>();
  keys.set(slot, found);
  return found;
}

/** What a node makes of somebody's claims: the newest wins, save for slots that it imports, and keys of what it loses are thrown away. */
function hear(
  node: ModelNode,
  claim: { readonly id: string; readonly epoch: number; readonly slots: readonly number[] },
): void {
  if (claim.id === node.id) return;
  for (const slot of claim.slots) {
    const owner = node.owners.get(slot);
    if (owner === claim.id || node.importing.has(slot)) continue;
    const epoch = owner === undefined ? -1 : owner === node.id ? node.epoch : (node.seen.get(owner)?.epoch ?? 0);
    if (epoch >= claim.epoch) continue;
    if (owner === node.id && node.masterId === null) node.keys.get(slot)?.clear();
    node.owners.set(slot, claim.id);
  }
}
