import { expect } from 'vitest';
import { ForgeError } from '../../domain/errors.js';

/** The refusal or failure that this ends in; one that does not, or ends otherwise, fails the test. */
export async function failureOf(attempt: Promise<unknown>): Promise<ForgeError> {
  const error = await attempt.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ForgeError);
  return error as ForgeError;
}
