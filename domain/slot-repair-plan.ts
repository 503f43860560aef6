import type { Refusal } from './plan.js';
import { type MendableCase, type SlotCase, caseOf, slotsInQuestion } from './slot-cases.js';
import { REPAIRS, type RepairName, type SlotRepair } from './slot-repairs.js';
import { type Member, type SlotStates, SlotTable } from './slot-states.js';
import { compactRanges, type SlotRange } from './slots.js';

export interface RepairPlan {
  /** In the order in which they are done. */
  readonly repairs: readonly SlotRepair[];
  /** Half states that nothing safe can be done about now, with what would help. */
  readonly stuck: readonly Refusal[];
}

/**
 * One repair for each half state of slots, in as few entries as it takes. Pure, and the same for the same world: it speaks of no number that changes while
 * clients work.
 */
export function planRepairs(states: SlotStates): RepairPlan {
  const table = new SlotTable(states);
  const repairs = new Map<string, { repair: Omit<SlotRepair, 'ranges'>; slots: number[] }>();
  const stuck = new Map<string, Refusal>();
  for (const slot of slotsInQuestion(table)) {
    const found = workableCase(table, slot);
    if (found === null) continue;
    if (found.kind === 'stuck') stuck.set(found.what, { what: found.what, next: found.next });
    else for (const repair of repairsOf(found)) note(repairs, repair, slot);
  }
  const ofSlots = [...repairs.values()].map(({ repair, slots }) => ({ ...repair, ranges: rangesOf(slots) }));
  return {
    repairs: [...taskRepairs(table), ...ofSlots.sort(inOrder), ...hiddenRepairs(table)],
    stuck: [...stuck.values()],
  };
}

/** As `caseOf`, and only where all that it takes can be done: commands go to declared nodes alone. */
export function workableCase(table: SlotTable, slot: number): SlotCase | null {
  const found = caseOf(table, slot);
  if (found === null || found.kind === 'stuck') return found;
  const stranger = [found.owner, found.from, ...found.gather].find((node) => node?.declared === false);
  if (stranger === undefined) return found;
  return {
    kind: 'stuck',
    what: `${stranger.name} has a part in a move of slots that was not ended, and the spec does not declare it.`,
    next: 'Declare it in the spec, so that its slots can be seen to.',
  };
}

function repairsOf({ kind, owner, from, gather, why }: MendableCase): Omit<SlotRepair, 'ranges'>[] {
  const origin = from === undefined ? {} : { from: from.name };
  return [
    { repair: kind, owner: owner.name, ...origin, why },
    ...gather.map((node) => ({
      repair: 'gather-keys' as const,
      owner: owner.name,
      from: node.name,
      why: `${node.name} has keys of them, too`,
    })),
  ];
}

type Noted = Map<string, { repair: Omit<SlotRepair, 'ranges'>; slots: number[] }>;

function note(repairs: Noted, repair: Omit<SlotRepair, 'ranges'>, slot: number): void {
  const key = [repair.repair, repair.owner, repair.from, repair.why].join('\n');
  const before = repairs.get(key);
  if (before === undefined) repairs.set(key, { repair, slots: [slot] });
  else before.slots.push(slot);
}

function taskRepairs({ masters }: SlotTable): SlotRepair[] {
  return masters.filter(({ declared, slotTasks }) => declared && slotTasks > 0).map(taskRepair);
}

function taskRepair({ name }: Member): SlotRepair {
  return { repair: 'settle-tasks', ranges: [], owner: name, why: 'they have not come to an end' };
}

/** After all others: what they bring to light is not hidden any more. */
function hiddenRepairs({ masters, states }: SlotTable): SlotRepair[] {
  return masters
    .filter(({ declared, name }) => declared && (states.hidden[name] ?? 0) > 0)
    .map(({ name }) => ({
      repair: 'uncover-keys',
      ranges: [],
      owner: name,
      why: 'it has keys of slots that it does not own, and does not say of which',
    }));
}

const ORDER = Object.keys(REPAIRS) as RepairName[];

function inOrder(a: SlotRepair, b: SlotRepair): number {
  return ORDER.indexOf(a.repair) - ORDER.indexOf(b.repair) || (a.ranges[0]?.[0] ?? 0) - (b.ranges[0]?.[0] ?? 0);
}

function rangesOf(slots: readonly number[]): SlotRange[] {
  return compactRanges(slots.map((slot) => [slot, slot]));
}
