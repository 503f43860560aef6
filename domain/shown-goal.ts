import type { Goal } from './goal.js';
import type { Plan } from './plan.js';

/**
 * The goal with the moves that were shown: which slots go where may follow from what changes with every write, and what was shown is what runs. `undefined`
 * where the spec says it all.
 */
export function goalAsShown(goal: Goal | undefined, { steps }: Pick<Plan, 'steps'>): Goal | undefined {
  const moves = steps.flatMap((step) => (step.kind === 'moveSlots' ? step.moves : []));
  if (moves.length === 0) return goal;
  if (goal === undefined) return { kind: 'spec', moves };
  switch (goal.kind) {
    case 'spec':
    case 'balance':
      return { ...goal, moves };
    case 'slots':
    case 'repair':
      return goal;
    default:
      return goal satisfies never;
  }
}
