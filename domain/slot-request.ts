import { eachSlot, rangesBy } from './ownership.js';
import { compactRanges, formatRanges, SLOT_COUNT, slotsIn, type SlotRange } from './slots.js';
import type { SlotMove } from './slot-moves.js';
import type { NodeStatus } from './verdict.js';

/** What a person asks of `reshard`, one pair after the other. */
export type SlotRequest =
  | { readonly kind: 'slots'; readonly ranges: readonly SlotRange[]; readonly to: string }
  /** So many slots, the lowest numbers first; of one shard, or of all others evenly by what they own. */
  | { readonly kind: 'count'; readonly count: number; readonly from: string | null; readonly to: string };

export type RequestedMoves =
  | { readonly moves: readonly SlotMove[] }
  | { readonly problem: string; readonly next: string };

/** `0-100,500`; `null` where it is no list of slots. */
export function parseSlots(text: string): SlotRange[] | null {
  const ranges = text.split(',').map((part): SlotRange | null => {
    const found = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part);
    if (found === null) return null;
    const from = Number(found[1]);
    const to = Number(found[2] ?? found[1]);
    return from <= to && to < SLOT_COUNT ? [from, to] : null;
  });
  return ranges.includes(null) ? null : ranges.filter((range) => range !== null);
}

/** The moves that are asked for, from whoever owns the slots by now. A slot that is where it is to be is left out. */
export function requestedMoves(requests: readonly SlotRequest[], nodes: readonly NodeStatus[]): RequestedMoves {
  const owners = ownersOf(nodes);
  const moves: SlotMove[] = [];
  const asked = new Map<number, string>();
  for (const request of requests) {
    const target = masterOf(request.to, nodes);
    if (target === null) return unknownNode(request.to);
    const taken =
      request.kind === 'slots'
        ? named(request.ranges, { owners, target })
        : counted(request, { owners, target, nodes });
    if ('problem' in taken) return taken;
    const twice = taken.slots.find((slot) => asked.has(slot));
    if (twice !== undefined) {
      return {
        problem: `Slot ${twice} is to go to ${asked.get(twice)} and to ${request.to}.`,
        next: 'Name each slot once.',
      };
    }
    for (const slot of taken.slots) asked.set(slot, request.to);
    for (const [from, ranges] of byOwner(taken.slots, owners)) moves.push({ ranges, from, to: request.to });
    for (const slot of taken.slots) owners[slot] = target;
  }
  return { moves };
}

type Taken = { readonly slots: readonly number[] } | { readonly problem: string; readonly next: string };

function named(ranges: readonly SlotRange[], { owners, target }: { owners: Owners; target: string }): Taken {
  const slots = [...new Set(eachSlot(ranges))];
  const orphans = slots.filter((slot) => owners[slot] === undefined).map((slot): SlotRange => [slot, slot]);
  if (orphans.length > 0) return unowned(orphans);
  return { slots: slots.filter((slot) => owners[slot] !== target) };
}

interface Sources {
  readonly owners: Owners;
  readonly target: string;
  readonly nodes: readonly NodeStatus[];
}

function counted({ count, from }: Extract<SlotRequest, { kind: 'count' }>, { owners, target, nodes }: Sources): Taken {
  const source = from === null ? null : masterOf(from, nodes);
  if (from !== null && source === null) return unknownNode(from);
  const owned = new Map<string, number[]>();
  for (const [slot, owner] of owners.entries()) {
    if (owner === undefined || owner === target || (source !== null && owner !== source)) continue;
    const before = owned.get(owner);
    if (before === undefined) owned.set(owner, [slot]);
    else before.push(slot);
  }
  const there = [...owned.values()].reduce((sum, slots) => sum + slots.length, 0);
  if (there < count) {
    return {
      problem: `${count} slots are asked for, and ${source ?? 'the other masters together'} ${source === null ? 'have' : 'has'} ${there}.`,
      next: 'Ask for fewer slots, or name them with --slots.',
    };
  }
  const shares = [...owned.values()].sort((a, b) => b.length - a.length);
  return { slots: shares.flatMap((slots, i) => slots.slice(0, share(shares, i, count))) };
}

/** Of `count`, in proportion to what each has: cut at the running sum, so that the shares together are `count`. */
function share(shares: readonly (readonly number[])[], index: number, count: number): number {
  const sum = (end: number) => shares.slice(0, end).reduce((total, slots) => total + slots.length, 0);
  const cut = (end: number) => Math.round((sum(end) * count) / sum(shares.length));
  return cut(index + 1) - cut(index);
}

type Owners = (string | undefined)[];

function ownersOf(nodes: readonly NodeStatus[]): Owners {
  const owners: Owners = Array.from({ length: SLOT_COUNT }, () => undefined);
  for (const { role, slots, name } of nodes) {
    if (role !== 'master') continue;
    for (const [from, to] of slots) owners.fill(name, from, to + 1);
  }
  return owners;
}

/** The name of the master of a node's shard; `null` where nobody knows one. */
function masterOf(name: string, nodes: readonly NodeStatus[]): string | null {
  const node = nodes.find((one) => one.name === name);
  if (node === undefined || node.role === 'unknown') return null;
  if (node.role === 'master') return node.name;
  return nodes.find(({ id }) => id !== null && id === node.masterId)?.name ?? null;
}

function byOwner(slots: readonly number[], owners: Owners): Map<string, SlotRange[]> {
  const wanted = new Set(slots);
  return rangesBy((slot) => (wanted.has(slot) ? owners[slot] : undefined));
}

function unknownNode(name: string): { problem: string; next: string } {
  return {
    problem: `${name} is no member of the cluster, as far as its nodes can be asked from here.`,
    next: 'See `redisforge status` for the nodes and their names.',
  };
}

function unowned(slots: readonly SlotRange[]): { problem: string; next: string } {
  return {
    problem: `Nobody owns ${slotsIn(slots)} of the slots that are to be moved (${formatRanges(compactRanges(slots))}).`,
    next: 'See `redisforge status`; `redisforge repair` gives slots that nobody owns an owner where it can be told which.',
  };
}
