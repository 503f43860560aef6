import fc from 'fast-check';
import { expect } from 'vitest';

/**
 * Which hostile inputs are made, and how many of each class. `FUZZ_SEED` and `FUZZ_RUNS` choose others; a failure prints its seed and path, and
 * `FUZZ_PATH` with the same seed goes straight to it (one test at a time: `-t`).
 */
export const SEED = wholeFrom('FUZZ_SEED', 20_261_121);
const RUNS = wholeFrom('FUZZ_RUNS', 1_000);
const { FUZZ_PATH: PATH } = process.env;

function wholeFrom(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined) return otherwise;
  if (!/^-?\d{1,10}$/.test(text)) throw new Error(`${name} has to be a whole number, not ${text}`);
  return Number(text);
}

/** What has to be true of every input: it returns where it is, and throws where it is not. */
export type Check<T> = (input: T) => void | Promise<void>;

/** How an input is run: one by one, or so many of them in one go, as for a process that takes a list. */
export interface Batch {
  readonly inputs?: number;
}

function property<T>(inputs: fc.Arbitrary<T>, check: Check<T>) {
  return fc.asyncProperty(inputs, async (input) => {
    await check(input);
  });
}

/** Holds for all seeded inputs; the failure names the smallest input that was found, the seed and the path. */
export async function holds<T>(
  inputs: fc.Arbitrary<T>,
  check: Check<T>,
  { inputs: inputsEach = 1 }: Batch = {},
): Promise<void> {
  const numRuns = Math.ceil(RUNS / inputsEach);
  await fc.assert(property(inputs, check), { seed: SEED, numRuns, ...(PATH === undefined ? {} : { path: PATH }) });
}

/** The same inputs and the same check, over a thing that was broken on purpose: one of them has to notice. */
export async function notices<T>(
  inputs: fc.Arbitrary<T>,
  check: Check<T>,
  { inputs: inputsEach = 1 }: Batch = {},
): Promise<void> {
  const numRuns = Math.ceil(RUNS / inputsEach);
  const { failed } = await fc.check(property(inputs, check), { seed: SEED, numRuns, endOnFailure: true });
  expect(failed, 'the mutant was not noticed').toBe(true);
}
