import { selfOf, type AnsweringNode, type ViewEntry } from './observation.js';
import { SLOT_COUNT, type SlotRange } from './slots.js';

/** Who owns a slot, by its number; an empty array for a slot that nobody claims. */
export type Claims = readonly (readonly string[])[];

/** Who owns which slot by the nodes' own words: the only ones that are never stale. Replicas claim nothing. */
export function ownClaims(nodes: readonly Pick<AnsweringNode, 'id' | 'view'>[]): Claims {
  const claims = new Array<readonly string[]>(SLOT_COUNT).fill(NOBODY);
  for (const node of nodes) {
    const self = node.view.find((entry) => entry.id === node.id);
    if (self === undefined || self.masterId !== null) continue;
    // One array for all slots that it alone claims: a formation asks this many times a second.
    const alone = [node.id];
    for (const [from, to] of self.slots) {
      for (let slot = from; slot <= Math.min(to, SLOT_COUNT - 1); slot += 1) {
        const before = claims[slot] ?? NOBODY;
        claims[slot] = before === NOBODY ? alone : [...before, node.id];
      }
    }
  }
  return claims;
}

const NOBODY: readonly string[] = [];

/** Who owns which slot as one node sees it. */
export function viewedOwners(view: readonly ViewEntry[]): (string | undefined)[] {
  const owners = new Array<string | undefined>(SLOT_COUNT).fill(undefined);
  for (const entry of view) {
    for (const [from, to] of entry.slots) owners.fill(entry.id, from, to + 1);
  }
  return owners;
}

export function* eachSlot(ranges: readonly SlotRange[]): Generator<number> {
  for (const [from, to] of ranges) {
    for (let slot = from; slot <= to; slot += 1) yield slot;
  }
}

/** Groups all slots by a label; slots without one are left out. */
export function rangesBy(labelOf: (slot: number) => string | undefined): Map<string, SlotRange[]> {
  const slots = new Map<string, SlotRange[]>();
  const note = (label: string | undefined, range: SlotRange) => {
    if (label !== undefined) slots.set(label, [...(slots.get(label) ?? []), range]);
  };
  let [from, label] = [0, labelOf(0)];
  for (let slot = 1; slot < SLOT_COUNT; slot += 1) {
    const next = labelOf(slot);
    if (next === label) continue;
    note(label, [from, slot - 1]);
    [from, label] = [slot, next];
  }
  note(label, [from, SLOT_COUNT - 1]);
  return slots;
}

/** Whether a node says of itself that it is a master with slots. */
export function ownsSlots(node: AnsweringNode): boolean {
  const self = selfOf(node);
  return self !== undefined && self.masterId === null && self.slots.length > 0;
}
