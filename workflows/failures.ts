import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { FAILURES, type FailureText, type FailureType, joinTexts } from '../domain/errors.js';

export interface NamedFailure {
  readonly type: FailureType;
  readonly text: FailureText;
}

/** The refusal or failure behind whatever an activity or a runbook threw; `undefined` for a bug, which must not pass for a failure. */
export function namedFailure(error: unknown): NamedFailure | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure && isFailureType(cause.type)) {
    const text = cause.details?.[0] as FailureText | undefined;
    return { type: cause.type, text: text ?? { what: cause.message, left: '', next: '' } };
  }
  if (error instanceof ActivityFailure) {
    return {
      type: 'NotReached',
      text: {
        what: `${error.activityType} did not come to an end: ${cause instanceof Error ? cause.message : 'no reason given'}.`,
        left: 'What it had done until then stays.',
        next: 'Look at its attempts in the Temporal UI, then run the same command again: it goes on from where things are.',
      },
    };
  }
  return undefined;
}

/** Several failures as one that says them all, of the type of the first. A bug among them is not covered up. */
export function together(failures: readonly unknown[]): unknown {
  const [first] = failures;
  const named = failures.map(namedFailure).filter((one) => one !== undefined);
  const [one] = named;
  if (one === undefined || named.length < failures.length) {
    return failures.find((error) => namedFailure(error) === undefined) ?? first;
  }
  if (named.length === 1) return first;
  return failure(one.type, joinTexts(named.map(({ text }) => text)));
}

/** What came to its end all the same, or may have, in an activity that does several things at once and failed; `undefined` where it had no time to say. */
export function doneNevertheless(error: unknown): readonly string[] | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure ? (cause.details?.[1] as readonly string[] | undefined) : undefined;
}

/** A failure in the runbook's own words. */
export function failure(type: FailureType, text: FailureText): ApplicationFailure {
  return ApplicationFailure.nonRetryable(text.what, type, text);
}

function isFailureType(type: string | null | undefined): type is FailureType {
  return typeof type === 'string' && Object.hasOwn(FAILURES, type);
}
