import { FAILURES, type FailureType } from '../domain/errors.js';
import type { OperationReport } from '../domain/operation.js';
import type { Plan, Refusal } from '../domain/plan.js';

/** Documented in docs/contract.md; scripts rely on the numbers. */
export const EXIT = {
  done: 0,
  unhealthy: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
  cancelled: 5,
  detached: 6,
  changesPlanned: 10,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export function exitCodeOf(type: FailureType): ExitCode {
  return FAILURES[type].exit;
}

export function exitCodeOfReport({ outcome, failure }: OperationReport): ExitCode {
  if (outcome === 'done') return EXIT.done;
  if (outcome === 'cancelled') return EXIT.cancelled;
  return failure === undefined ? EXIT.unhealthy : exitCodeOf(failure.type);
}

/** What stands in the way of a plan is one of our preconditions, or something that could not be reached. */
export function failureOfRefusals(refusals: readonly Refusal[]): FailureType {
  return refusals.find(({ failure }) => failure !== undefined)?.failure ?? 'Refused';
}

/** Of a plan that is only shown. */
export function exitCodeOfPlan({ refusals, steps }: Pick<Plan, 'refusals' | 'steps'>): ExitCode {
  if (refusals.length > 0) return exitCodeOf(failureOfRefusals(refusals));
  return steps.length > 0 ? EXIT.changesPlanned : EXIT.done;
}
