import { gossipMends } from './misled.js';
import { type MendableCase, seenEpoch, staleViewers } from './slot-cases.js';
import type { Member, SlotTable } from './slot-states.js';

/** One command of a repair, to one node about one slot. A node that is told the same again changes nothing. */
export type SlotAction = {
  /** Name of the node that is told. */
  readonly node: string;
} & (
  | { readonly kind: 'stable' }
  | { readonly kind: 'importing' | 'migrating' | 'own'; readonly id: string }
  /** The node's claims become the newest of all. */
  | { readonly kind: 'bump' }
  | {
      /** All keys of the slot go from the node to another. `wins`: whose copy is kept where both have one. */
      readonly kind: 'keys';
      readonly to: string;
      readonly wins: 'source' | 'target';
    }
);

/** Stages in their order, each only when all of the one before was taken. In a stage the nodes are independent of each other, and what one is told keeps its order. */
export type SlotStages = readonly (readonly SlotAction[])[];

/**
 * The next commands for one slot, by what is missing of its repair. After them the nodes are looked at again: keys are counted anew before anything follows from
 * there being none. Whose copy of a key is the right one: the owner's, who has served it all along; after it that of the node which the slot is going to.
 */
export function nextStages(table: SlotTable, slot: number, found: MendableCase): SlotStages {
  const work = { table, slot, ...found };
  switch (found.kind) {
    case 'finish-move':
      return finishMove(work);
    case 'close-slot':
      return closeSlot(work);
    case 'tell-owner':
    case 'assign-slots':
      return tellOwner(work);
    default:
      return found.kind satisfies never;
  }
}

interface Work extends Pick<MendableCase, 'owner' | 'from' | 'gather'> {
  readonly table: SlotTable;
  readonly slot: number;
}

/** Flags on the target before those on the source, so that whoever is sent there is let in; keys; then the target is told before the source that it owns the slot. */
function finishMove({ table, slot, owner: target, from: source, gather }: Work): SlotStages {
  if (source === undefined) return [];
  const takers = [target, ...gather];
  const misled = takers.filter((node) => hears({ node, slot, owner: source }));
  if (misled.length > 0) return [misled.flatMap((node) => flagsOff(node, slot))];
  const openings = takers.flatMap((node) => openTowards({ node, slot, owner: source }));
  const leaving = source.migrating.get(slot) === target.id ? [] : [told(source, 'migrating', target.id)];
  if (openings.length + leaving.length > 0) return [openings, leaving];
  if (gather.length > 0) return [gather.map((node) => keys({ from: node, to: target, wins: 'target' }))];
  if (table.keysOf(source, slot) > 0) return [[keys({ from: source, to: target, wins: 'source' })]];
  const others = tellOthers({ table, slot, owner: target, told: [source] });
  return [[told(target, 'own', target.id)], [told(source, 'own', target.id)], others];
}

/** Opens a slot on a node that does not own it, with the true owner in its eyes: while it imports, gossip does not reach it. */
function openTowards({ node, slot, owner }: { node: Member; slot: number; owner: Member }): SlotAction[] {
  const seesOwner = node.owners[slot] === owner.id;
  if (seesOwner && node.importing.get(slot) === owner.id) return [];
  return [
    ...(node.migrating.has(slot) ? [stable(node)] : []),
    ...(seesOwner ? [] : [told(node, 'own', owner.id)]),
    told(node, 'importing', owner.id),
  ];
}

interface Hearing extends Pick<Work, 'slot' | 'owner'> {
  readonly node: Member;
}

/** Whether a node that sees another owner hears of this one by gossip, once it has no flag. */
function hears({ slot, owner, node }: Hearing): boolean {
  const id = node.owners[slot];
  if (id === owner.id || id === node.id) return false;
  return gossipMends({ seen: node.view.find((entry) => entry.id === id), ownerEpoch: owner.configEpoch });
}

function flagsOff(node: Member, slot: number): SlotAction[] {
  return node.migrating.has(slot) || node.importing.has(slot) ? [stable(node)] : [];
}

/**
 * The owner first, which then takes new keys itself again. What a client was still on its way to the other side with comes before the second look, or is
 * found by the last one.
 */
function closeSlot({ table, slot, owner }: Work): SlotStages {
  if (owner.migrating.has(slot) || owner.importing.has(slot)) return [[stable(owner)]];
  if (!isNewest(table, slot, owner)) return [[bump(owner)]];
  return [[...table.forgottenBy(slot).map(stable), ...tellOthers({ table, slot, owner, told: [] })]];
}

/** The owner claims it, by the newest claim of all; then those who claim it, too, give it up, and then the others are told. */
function tellOwner({ table, slot, owner, gather }: Work): SlotStages {
  const others = tellOthers({ table, slot, owner, told: [] });
  if (table.claims[slot]?.includes(owner.id) !== true) return [claim(table, slot, owner), others];
  if (!isNewest(table, slot, owner)) return [[bump(owner)]];
  const brought = gather.map((node) => keys({ from: node, to: owner, wins: 'target' }));
  return [brought.length > 0 ? brought : others];
}

/** A node that imports a slot makes its claim the newest when it is told that it owns it; one that is not would be taken from it again, keys and all. */
function claim(table: SlotTable, slot: number, owner: Member): SlotAction[] {
  const seen = table.member(owner.owners[slot]);
  const others = table.masters.filter((node) => node !== owner);
  const peer = others.find((node) => node === seen) ?? others[0];
  const open = owner.importing.has(slot) || peer === undefined ? [] : [told(owner, 'importing', peer.id)];
  return [...open, told(owner, 'own', owner.id)];
}

function isNewest(table: SlotTable, slot: number, owner: Member): boolean {
  const others = table.claimants(slot).filter((node) => node !== owner);
  const stale = staleViewers(table, slot).map((viewer) => seenEpoch(viewer, viewer.owners[slot] ?? ''));
  return [...others.map(({ configEpoch }) => configEpoch), ...stale].every((epoch) => owner.configEpoch > epoch);
}

interface Telling extends Pick<Work, 'table' | 'slot' | 'owner'> {
  /** They have been told already. */
  readonly told: readonly Member[];
}

/** Replicas cannot be told and hear of it by gossip, as does who does not answer now. */
function tellOthers({ table, slot, owner, told: before }: Telling): SlotAction[] {
  return table.masters
    .filter((node) => node !== owner && !before.includes(node) && node.declared)
    .flatMap((node) => [
      ...flagsOff(node, slot),
      ...(node.owners[slot] === owner.id || hears({ node, slot, owner }) ? [] : [told(node, 'own', owner.id)]),
    ]);
}

function bump({ name }: Member): SlotAction {
  return { node: name, kind: 'bump' };
}

function stable({ name }: Member): SlotAction {
  return { node: name, kind: 'stable' };
}

function told({ name }: Member, kind: 'importing' | 'migrating' | 'own', id: string): SlotAction {
  return { node: name, kind, id };
}

function keys({ from, to, wins }: { from: Member; to: Member; wins: 'source' | 'target' }): SlotAction {
  return { node: from.name, kind: 'keys', to: to.name, wins };
}
