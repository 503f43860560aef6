import { eachSlot } from './ownership.js';
import type { PlanBody, Step } from './plan.js';
import type { SlotRepair } from './slot-repairs.js';
import { compactRanges, type SlotRange } from './slots.js';

/** Of repairs, all that the step itself goes by: what each slot lacks it decides anew. */
interface RepairScope {
  readonly kind: 'repairSlots';
  readonly id: string;
  readonly slots: readonly SlotRange[];
  readonly settlesTasks: boolean;
  readonly uncovers: readonly string[];
}

/**
 * What a plan is known by: two plans that differ in nothing of this do the same. The slots of half states are a part of it and what is lacking in each of them is not, as
 * clients that write change that from one moment to the next: the first key that comes to the target makes a move to be finished of one to be given up.
 */
export function decisiveOf(
  body: PlanBody,
): Omit<PlanBody, 'steps'> & { readonly steps: readonly (Step | RepairScope)[] } {
  return { ...body, steps: body.steps.map((step) => (step.kind === 'repairSlots' ? scopeOf(step) : step)) };
}

function scopeOf({ kind, id, repairs }: Extract<Step, { kind: 'repairSlots' }>): RepairScope {
  const slots = new Set(repairs.flatMap(({ ranges }) => [...eachSlot(ranges)]));
  const ownersOf = (name: SlotRepair['repair']) =>
    repairs.filter(({ repair }) => repair === name).map(({ owner }) => owner);
  return {
    ...{ kind, id },
    slots: compactRanges([...slots].map((slot) => [slot, slot])),
    settlesTasks: ownersOf('settle-tasks').length > 0,
    uncovers: [...new Set(ownersOf('uncover-keys'))].sort(),
  };
}
