import type { ViewEntry } from './observation.js';
import { eachSlot } from './ownership.js';
import type { SlotMove } from './slot-moves.js';
import { compactRanges, SLOT_COUNT, type SlotRange } from './slots.js';

/** A node that answers, with what it sees. */
export interface Viewer {
  readonly name: string;
  readonly id: string;
  readonly view: readonly ViewEntry[];
}

/**
 * Who has been seen in one shard, by ID and by name: whoever takes over from a node that does not answer any more is not linked to it in any view.
 */
export class Shards {
  readonly #idOf = new Map<string, string>();
  readonly #mates = new Map<string, Set<string>>();

  /** What nodes say of themselves now. */
  seen(viewers: readonly Viewer[]): void {
    for (const viewer of viewers) {
      this.#idOf.set(viewer.name, viewer.id);
      const masterId = ownLine(viewer)?.masterId ?? null;
      if (masterId !== null) this.#join(viewer.id, masterId);
    }
  }

  /** IDs of all that were seen in the shard of this one, itself among them. */
  matesOf(id: string): ReadonlySet<string> {
    return this.#mates.get(id) ?? new Set([id]);
  }

  idOf(name: string): string | undefined {
    return this.#idOf.get(name);
  }

  #join(a: string, b: string): void {
    const all = new Set([...this.matesOf(a), ...this.matesOf(b)]);
    for (const id of all) this.#mates.set(id, all);
  }
}

export interface Resolved {
  /** What has to go from one master to another, by their names; a slot is in one of them at the most. */
  readonly transfers: readonly { readonly from: string; readonly to: string; readonly ranges: readonly SlotRange[] }[];
  readonly done: number;
  /** Of those to be moved, how many somebody began to move: they are open, or claimed by both ends. */
  readonly begun: number;
  /** Slots that cannot be moved as they are, and why. */
  readonly stuck: readonly { readonly ranges: readonly SlotRange[]; readonly why: string }[];
}

/**
 * Who gives what to whom, from the nodes' own words of this moment: the owner of a slot is who claims it itself, the target is the master of the shard that the
 * move names. Slots that are at their target are done, unless the one that gave them still claims them or has them open.
 */
export function resolveMoves(
  moves: readonly SlotMove[],
  { viewers, shards }: { readonly viewers: readonly Viewer[]; readonly shards: Shards },
): Resolved {
  const claims = claimsOf(viewers);
  const opened = openedOf(viewers);
  const [transfers, stuck] = [new Map<string, SlotRange[]>(), new Map<string, SlotRange[]>()];
  let [done, begun] = [0, 0];
  for (const move of moves) {
    const target = masterOf({ viewers, shards }, move.to);
    const mates = target === undefined ? new Set<string>() : shards.matesOf(target.id);
    for (const slot of eachSlot(move.ranges)) {
      const [claimed, openings] = [claims[slot] ?? [], opened.get(slot) ?? []];
      const fate = fateOf({ target, mates, claimed, opened: openings, to: move.to });
      if (fate.kind === 'done') done += 1;
      else if (fate.kind === 'stuck') note(stuck, fate.why, slot);
      else {
        note(transfers, `${fate.from} ${fate.to}`, slot);
        if (opened.has(slot) || claims[slot]?.length !== 1) begun += 1;
      }
    }
  }
  return {
    transfers: [...transfers].map(([pair, ranges]) => {
      const [from = '', to = ''] = pair.split(' ');
      return { from, to, ranges: compactRanges(ranges) };
    }),
    done,
    begun,
    stuck: [...stuck].map(([why, ranges]) => ({ why, ranges: compactRanges(ranges) })),
  };
}

/** Who has a slot open, and towards whom or from whom. */
interface Opening {
  readonly by: Viewer;
  readonly direction: 'to' | 'from';
  readonly peer: string;
}

type Fate =
  | { readonly kind: 'done' }
  | { readonly kind: 'move'; readonly from: string; readonly to: string }
  | { readonly kind: 'stuck'; readonly why: string };

function fateOf(slot: {
  readonly target: Viewer | undefined;
  /** IDs of the target's shard: what is open towards one of them is on its way to the target. */
  readonly mates: ReadonlySet<string>;
  readonly to: string;
  readonly claimed: readonly Viewer[];
  readonly opened: readonly Opening[];
}): Fate {
  const { target, mates, claimed, opened, to } = slot;
  if (target === undefined) return { kind: 'stuck', why: `no master of the shard of ${to} answers` };
  const others = claimed.filter(({ id }) => id !== target.id);
  const [owner, second] = others;
  if (second !== undefined) return { kind: 'stuck', why: `${others.map(({ name }) => name).join(' and ')} claim them` };
  const given = opened.filter(({ by, direction }) => direction === 'to' && by.id !== target.id);
  const elsewhere = given.find(({ by, peer }) => by === owner && !mates.has(peer));
  if (elsewhere !== undefined) return { kind: 'stuck', why: `${elsewhere.by.name} has them open towards another node` };
  if (owner !== undefined) return { kind: 'move', from: owner.name, to: target.name };
  if (claimed.length === 0) return { kind: 'stuck', why: 'nobody claims them' };
  const giver = given.find(({ peer }) => mates.has(peer))?.by;
  return giver === undefined ? { kind: 'done' } : { kind: 'move', from: giver.name, to: target.name };
}

/** The master of a node's shard by its own word: itself, the one that it replicates, or, where it does not answer, a mate of it that is one by now. */
function masterOf(
  seen: { readonly viewers: readonly Viewer[]; readonly shards: Shards },
  name: string,
): Viewer | undefined {
  const { viewers, shards } = seen;
  const node = viewers.find((viewer) => viewer.name === name);
  if (node === undefined) {
    const mates = shards.matesOf(shards.idOf(name) ?? '');
    return viewers.find((viewer) => mates.has(viewer.id) && ownLine(viewer)?.masterId === null);
  }
  const masterId = ownLine(node)?.masterId ?? null;
  return masterId === null ? node : viewers.find(({ id }) => id === masterId);
}

function claimsOf(viewers: readonly Viewer[]): Viewer[][] {
  const claims: Viewer[][] = Array.from({ length: SLOT_COUNT }, () => []);
  for (const viewer of viewers) {
    const self = ownLine(viewer);
    if (self?.masterId !== null) continue;
    for (const slot of eachSlot(self.slots)) claims[slot]?.push(viewer);
  }
  return claims;
}

function openedOf(viewers: readonly Viewer[]): Map<number, Opening[]> {
  const opened = new Map<number, Opening[]>();
  const note = (slot: number, opening: Opening) => opened.set(slot, [...(opened.get(slot) ?? []), opening]);
  for (const by of viewers) {
    const self = ownLine(by);
    if (self?.masterId !== null) continue;
    for (const { slot, peer } of self.migrating) note(slot, { by, direction: 'to', peer });
    for (const { slot, peer } of self.importing) note(slot, { by, direction: 'from', peer });
  }
  return opened;
}

/** What a node says of itself. */
export function ownLine({ id, view }: Pick<Viewer, 'id' | 'view'>): ViewEntry | undefined {
  return view.find((entry) => entry.id === id);
}

function note(into: Map<string, SlotRange[]>, label: string, slot: number): void {
  const ranges = into.get(label);
  if (ranges === undefined) into.set(label, [[slot, slot]]);
  else ranges.push([slot, slot]);
}
