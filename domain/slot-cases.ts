import type { RepairName } from './slot-repairs.js';
import type { Member, SlotTable } from './slot-states.js';
import { SLOT_COUNT } from './slots.js';

/** What is to be done about one slot, or why nothing can be. */
export type SlotCase = MendableCase | { readonly kind: 'stuck'; readonly what: string; readonly next: string };

export interface MendableCase {
  readonly kind: Exclude<RepairName, 'settle-tasks' | 'uncover-keys' | 'gather-keys'>;
  /** Who owns the slot in the end. */
  readonly owner: Member;
  /** Who gives keys to the owner and wins where both have one. */
  readonly from?: Member;
  /** Who else has keys, which lose where the owner has the same. */
  readonly gather: readonly Member[];
  readonly why: string;
}

/** Slots that are not plainly owned, and that more than the passing of time is needed for; those that only key counts tell of are among them where they were counted. */
export function slotsInQuestion(table: SlotTable): number[] {
  const flagged = new Set(
    table.members.flatMap(({ migrating, importing, copied }) => [...migrating.keys(), ...importing.keys(), ...copied]),
  );
  const found: number[] = [];
  for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
    if (isPlain(table, slot) && !flagged.has(slot)) continue;
    if (isFlagged(table, slot) || isContested(table, slot) || staleViewers(table, slot).length > 0) found.push(slot);
  }
  const counted = Object.values(table.states.keys).flatMap((keys) => Object.keys(keys).map(Number));
  const strays = counted.filter((slot) => strangersWithKeys(table, slot).length > 0);
  return [...new Set([...found, ...strays])].sort((a, b) => a - b);
}

/** The common case, told quickly: one claims it, and all see it so. */
function isPlain({ claims, members }: SlotTable, slot: number): boolean {
  const claimants = claims[slot];
  if (claimants?.length !== 1) return false;
  for (const { owners } of members) if (owners[slot] !== claimants[0]) return false;
  return true;
}

/** More than one claims it; or nobody does, although its owner is not simply one that does not answer now. */
function isContested(table: SlotTable, slot: number): boolean {
  const claims = table.claims[slot]?.length ?? 0;
  if (claims !== 0) return claims > 1;
  const seen = seenOwners(table, slot);
  const isKnown = (id: string) =>
    table.member(id) !== undefined || table.isGivenUp(id) || table.successor(id) !== undefined;
  return seen.length === 0 || seen.some(isKnown);
}

/** The owners that the members see; one word for each member that sees one. */
function seenOwners(table: SlotTable, slot: number): string[] {
  return table.members.flatMap(({ owners }) => owners[slot] ?? []);
}

function strangersWithKeys(table: SlotTable, slot: number): Member[] {
  return table.holders(slot).filter(({ id }) => table.claims[slot]?.includes(id) !== true);
}

/**
 * Members that see a slot with another living master than the one that claims it. A replica cannot be told, so it counts only where gossip will not mend it:
 * where the claim is not newer than what it sees.
 */
export function staleViewers(table: SlotTable, slot: number): Member[] {
  const claimants = table.claimants(slot);
  const [owner] = claimants;
  if (owner === undefined || claimants.length > 1) return [];
  return table.members.filter((viewer) => {
    const seen = table.member(viewer.owners[slot]);
    if (seen === undefined || seen.id === owner.id || seen.masterId !== null) return false;
    return viewer.masterId === null || owner.configEpoch <= seenEpoch(viewer, seen.id);
  });
}

/** The config epoch that a member knows of another. */
export function seenEpoch(viewer: Member, id: string): number {
  return viewer.view.find((entry) => entry.id === id)?.configEpoch ?? 0;
}

/** The repair of one slot; `null` where it is plainly owned, or will be without us. */
export function caseOf(table: SlotTable, slot: number): SlotCase | null {
  const claimants = table.claimants(slot);
  const [owner] = claimants;
  if (owner === undefined) return unclaimed(table, slot);
  if (claimants.length > 1) return contested(table, slot, claimants);
  const known = strangersWithKeys(table, slot);
  const strangers = known.length > 0 ? known : suspects(table, slot, owner);
  if (strangers.length > 0) return halfMoved({ table, slot, owner, strangers });
  if (isOpen(table, slot)) return unmoved(table, slot, owner);
  if (isFlagged(table, slot))
    return { kind: 'close-slot', owner, gather: [], why: 'only a replica still has them open' };
  if (staleViewers(table, slot).length === 0) return null;
  return { kind: 'tell-owner', owner, gather: [], why: 'it owns them, and others see another owner' };
}

function isOpen({ masters }: SlotTable, slot: number): boolean {
  return masters.some(({ migrating, importing }) => migrating.has(slot) || importing.has(slot));
}

function isFlagged(table: SlotTable, slot: number): boolean {
  return isOpen(table, slot) || table.forgottenBy(slot).length > 0;
}

interface HalfMoved {
  readonly table: SlotTable;
  readonly slot: number;
  readonly owner: Member;
  /** Masters that have keys of the slot and do not own it. */
  readonly strangers: readonly Member[];
}

/** Whoever may have keys of a slot that its owner was giving away, and would not say so; opening it there brings them to light. */
function suspects(table: SlotTable, slot: number, owner: Member): Member[] {
  const peer = owner.migrating.get(slot);
  if (peer === undefined) return [];
  const heir = table.heir(peer);
  return table.secretive(slot).filter((node) => heir === undefined || node === heir);
}

/** Forward: whoever has keys of a slot that it does not own is where the slot was going. */
function halfMoved({ table, slot, owner: source, strangers }: HalfMoved): SlotCase | null {
  const peer = source.migrating.get(slot);
  const heir = peer === undefined ? undefined : table.heir(peer);
  const rank = (node: Member) => (node === heir ? 0 : node.importing.has(slot) ? 1 : 2);
  const [target, ...gather] = [...strangers].sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
  if (target === undefined) return null;
  const before = table.claimantBefore(target);
  if (before !== undefined) return wouldBeTakenBack(target, before);
  const why = whyHalfMoved({ table, slot, source, target });
  return { kind: 'finish-move', owner: target, from: source, gather, why };
}

/** Half moved they are served, by either side; the source is to go on claiming them until the old master has heard who is in its place. */
function wouldBeTakenBack(target: Member, before: string): SlotCase {
  return {
    kind: 'stuck',
    what: `Slots are on their way to ${target.name}, which took over from ${before}: Valkey lets ${before} take back all slots of its shard, and what was written to them since is lost, if it comes back after these were given away.`,
    next: `Clients are served meanwhile. Bring ${before} back first, and run repair again; or say in the spec that it will not come back (leaving: lost), and never start it with its old nodes.conf.`,
  };
}

interface Ends {
  readonly table: SlotTable;
  readonly slot: number;
  readonly source: Member;
  readonly target: Member;
}

function whyHalfMoved({ table, slot, source, target }: Ends): string {
  const [goesTo, comesFrom] = [source.migrating.get(slot), target.importing.get(slot)];
  if (goesTo !== undefined && goesTo !== target.id) {
    return `it was on its way to ${table.nameOf(goesTo)}, and ${target.name} has keys of it`;
  }
  if (comesFrom !== undefined && comesFrom !== source.id) {
    return `it was on its way from ${table.nameOf(comesFrom)}, in whose place ${source.name} owns it`;
  }
  if (goesTo === undefined && comesFrom === undefined) return `${target.name} has keys of slots that it does not own`;
  if (goesTo === undefined) return `keys have been moved, and ${source.name} does not know of the move`;
  if (comesFrom === undefined) return `keys have been moved, and ${target.name} does not know of the move`;
  return 'keys have been moved';
}

/** Flags, and no key but the owner's: the move is given up, unless the one that does not answer may have some. */
function unmoved(table: SlotTable, slot: number, owner: Member): SlotCase {
  const silent = peersOf(table, slot).filter((id) => table.heir(id) === undefined && table.mayHoldKeys(id));
  const [first] = silent.filter((id) => owner.migrating.get(slot) === id);
  if (first === undefined) return { kind: 'close-slot', owner, gather: [], why: 'no key has been moved' };
  const name = table.nameOf(first);
  return {
    kind: 'stuck',
    what: `Slots are on their way from ${owner.name} to ${name}, which does not answer: whether keys have been moved, only ${name} knows.`,
    next: `Bring ${name} back, or say in the spec that it will not come back (leaving: lost).`,
  };
}

function peersOf(table: SlotTable, slot: number): string[] {
  return table.masters.flatMap(({ migrating, importing }) =>
    [migrating.get(slot), importing.get(slot)].filter((id) => id !== undefined),
  );
}

/**
 * A flag says most; then the keys, where only one has them; else the newest claim wins, as it does in Redis. What the others have is brought to the winner
 * before Redis throws it away.
 */
function contested(table: SlotTable, slot: number, claimants: readonly Member[]): SlotCase {
  const target = claimants.flatMap((node) => heirAmong(table, node.migrating.get(slot), claimants) ?? [])[0];
  const [newest] = [...claimants].sort((a, b) => b.configEpoch - a.configEpoch || (a.id < b.id ? -1 : 1));
  const [holder, ...otherHolders] = claimants.filter((node) => table.keysOf(node, slot) > 0);
  const owner = target ?? (otherHolders.length === 0 ? holder : undefined) ?? newest;
  if (owner === undefined) throw new Error(`nobody claims slot ${slot}`);
  const losers = claimants.filter((node) => node !== owner);
  const apart = losers.find((node) => isShard(node, owner));
  if (apart !== undefined) return splitShard(owner, apart);
  const gather = losers.filter((node) => table.keysOf(node, slot) > 0);
  return { kind: 'tell-owner', owner, gather, why: `${names(claimants)} claim them at once` };
}

/** Whether one still takes the other for its replica: the failover between them is not over. */
function isShard(one: Member, other: Member): boolean {
  const follows = (viewer: Member, node: Member) =>
    viewer.view.some(({ id, masterId }) => id === node.id && masterId === viewer.id);
  return follows(one, other) || follows(other, one);
}

function splitShard(owner: Member, apart: Member): SlotCase {
  return {
    kind: 'stuck',
    what: `${owner.name} has taken over from ${apart.name}, which has not heard of it and goes on as a master.`,
    next: 'See why the bus (port + 10000) between them is cut; when it is open, the old master becomes a replica and its last writes are gone.',
  };
}

function heirAmong(table: SlotTable, id: string | undefined, nodes: readonly Member[]): Member | undefined {
  const heir = id === undefined ? undefined : table.heir(id);
  return nodes.find((node) => node === heir);
}

/** Nobody who answers claims it. */
function unclaimed(table: SlotTable, slot: number): SlotCase | null {
  const seen = seenOwners(table, slot);
  if (seen.length === 0) return ownerless(table, slot);
  const { end, last } = handedTo(table, slot, mostFrequent(seen));
  const holders = table.holders(slot);
  // Its replica took over without having heard of the slot: it has the keys, and does not claim them.
  const secretive = table.secretive(slot);
  const successor = table.successor(end);
  const isInherited = successor !== undefined || (holders.length + secretive.length > 0 && table.isAbandoned(end));
  if (table.heir(end) === undefined && table.mayHoldKeys(end) && !isInherited) {
    return isFlagged(table, slot) || isContested(table, slot) || holders.length > 0 ? ownerSilent(table, end) : null;
  }
  const importers = table.masters.filter(({ importing }) => importing.has(slot));
  const owner =
    importers.find((node) => holders.includes(node)) ??
    holders[0] ??
    importers[0] ??
    (isInherited ? (secretive[0] ?? successor) : undefined) ??
    table.heir(end) ??
    last;
  if (owner === undefined)
    return assigned(table, slot, `${table.nameOf(end)} will not come back, and its keys are lost`);
  const gather = holders.filter((node) => node !== owner);
  const why =
    isInherited || table.isGivenUp(end)
      ? `${table.nameOf(end)} does not come back, and its replica does not claim them`
      : 'nobody claims them: each node sees another one as the owner';
  return { kind: 'tell-owner', owner, gather, why };
}

/** Follows each node's word about who has the slot: the end is the one that was named last, beside the last master that answers. */
function handedTo(table: SlotTable, slot: number, first: string): { end: string; last: Member | undefined } {
  const passed: string[] = [];
  for (let id: string | undefined = first; id !== undefined && !passed.includes(id); ) {
    passed.push(id);
    id = table.member(id)?.owners[slot];
  }
  const masters = passed.flatMap((id) => table.heir(id) ?? []);
  return { end: passed.at(-1) ?? first, last: masters.at(-1) };
}

function ownerSilent(table: SlotTable, id: string): SlotCase {
  const name = table.nameOf(id);
  return {
    kind: 'stuck',
    what: `Slots that are being moved belong to ${name}, which does not answer.`,
    next: `Bring ${name} back, or wait for the failover to its replica.`,
  };
}

function ownerless(table: SlotTable, slot: number): SlotCase {
  const silent = table.states.nodes.filter(
    ({ answered, declared, name }) => declared && !answered && !table.states.lost.includes(name),
  );
  if (silent.length === 0) return assigned(table, slot, 'no node knows an owner of them');
  return {
    kind: 'stuck',
    what: `No node knows an owner of some slots, and ${names(silent)} may have their keys and gives no answer.`,
    next: `Bring ${names(silent)} back, or say in the spec that it will not come back (leaving: lost).`,
  };
}

/** Given to whoever has keys of them, else to the owner of the slots below, so that ranges stay whole. */
function assigned(table: SlotTable, slot: number, why: string): SlotCase {
  const holders = table.holders(slot);
  const owner = holders[0] ?? table.secretive(slot)[0] ?? table.member(table.ownerBelow(slot));
  if (owner !== undefined) return { kind: 'assign-slots', owner, gather: holders.slice(1), why };
  return { kind: 'stuck', what: 'No node owns any slot.', next: 'Form the cluster with `redisforge apply`.' };
}

function mostFrequent(ids: readonly string[]): string {
  const votes = new Map<string, number>();
  for (const id of ids) votes.set(id, (votes.get(id) ?? 0) + 1);
  return [...votes].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0]?.[0] ?? '';
}

function names(nodes: readonly { readonly name: string }[]): string {
  return nodes.map(({ name }) => name).join(', ');
}
