import type { Refusal } from './plan.js';

/** What is to be done next about the members of a cluster. Pure, and asked again after each round of commands; all is done where nothing is in it. */
export interface Decision<Action> {
  /** Commands for nodes, each safe to be given late or twice. */
  readonly actions: readonly Action[];
  /** Why nothing may be done; `actions` is empty then. */
  readonly refusals: readonly Refusal[];
  /** What has not come true yet, in words. */
  readonly waitingFor: readonly string[];
}

export function isSettled({ actions, refusals, waitingFor }: Decision<unknown>): boolean {
  return actions.length === 0 && refusals.length === 0 && waitingFor.length === 0;
}

/** Several decisions as one: nothing is done where one of them refuses. */
export function together<Action>(decisions: readonly Decision<Action>[]): Decision<Action> {
  const refusals = decisions.flatMap((decision) => decision.refusals);
  if (refusals.length > 0) return refusing(refusals);
  return {
    actions: decisions.flatMap(({ actions }) => actions),
    refusals,
    waitingFor: decisions.flatMap(({ waitingFor }) => waitingFor),
  };
}

export function refusing(refusals: readonly Refusal[]): Decision<never> {
  return { actions: [], refusals, waitingFor: [] };
}

export function waiting(...waitingFor: readonly string[]): Decision<never> {
  return { actions: [], refusals: [], waitingFor };
}
