import { expect } from 'vitest';

/** Expects that a list of problems is empty; where it is not, the failure says them: a runner that tells only the first lines still tells these. */
export function expectNoProblems(problems: readonly string[]): void {
  expect(problems, problems.join('\n')).toEqual([]);
}
