import { describe, expect, it } from 'vitest';
import { canonicalJson, type PlanBody } from '../../domain/plan.js';
import { decisiveOf } from '../../domain/plan-digest.js';
import type { SlotRepair } from '../../domain/slot-repairs.js';

const finish: SlotRepair = {
  repair: 'finish-move',
  ranges: [[0, 9]],
  owner: 'h2:6379',
  from: 'h1:6379',
  why: 'keys have been moved',
};
const close: SlotRepair = { repair: 'close-slot', ranges: [[10, 19]], owner: 'h1:6379', why: 'no key has been moved' };

function known(...repairs: SlotRepair[]): string {
  const body: PlanBody = {
    ...{ cluster: 'orders', uid: 'a', operation: 'repair', refusals: [], drift: [], notes: [] },
    steps: [
      { kind: 'repairSlots', id: 'repairSlots', repairs },
      { kind: 'unpinReplicas', id: 'unpinReplicas', nodes: ['h1:6379'] },
    ],
  };
  return canonicalJson(decisiveOf(body));
}

describe('what a plan is known by', () => {
  it('stays the same where a client writes the first key to the target of a slot that is open', () => {
    const before = known(finish, close);
    expect(known({ ...finish, ranges: [[0, 12]] }, { ...close, ranges: [[13, 19]] })).toBe(before);
    expect(known({ ...finish, ranges: [[0, 19]] })).toBe(before);
  });

  it('is another one where another slot is open, tasks are to be settled, or keys are hidden elsewhere', () => {
    const uncover: SlotRepair = { repair: 'uncover-keys', ranges: [], owner: 'h1:6379', why: 'it has keys' };
    const settle: SlotRepair = { repair: 'settle-tasks', ranges: [], owner: 'h1:6379', why: 'not ended' };
    const plans = [
      [finish, close],
      [finish, { ...close, ranges: [[10, 20] as const] }],
      [finish, close, settle],
      [finish, close, uncover],
      [finish, close, { ...uncover, owner: 'h3:6379' }],
    ].map((repairs) => known(...repairs));
    expect(new Set(plans).size).toBe(plans.length);
  });

  it('has all other steps whole', () => {
    expect(known(finish)).toContain('"nodes":["h1:6379"]');
  });
});
