/**
 * Every way in which we refuse or fail, by name. The name travels as the `type` of a Temporal failure, decides about retrying and the exit
 * code, and is what tests and scripts look at; the message is for people.
 */
export const FAILURES = {
  /** Bad usage or a bad spec. */
  BadSpec: { retry: false, exit: 2 },
  /** A precondition does not hold; nothing was changed. */
  Refused: { retry: false, exit: 3 },
  /** Somebody else holds the cluster. */
  Locked: { retry: false, exit: 3 },
  /** The world is not the one that the shown plan was made for. */
  PlanChanged: { retry: false, exit: 3 },
  /** An older attempt or generation tried to act. */
  Fenced: { retry: false, exit: 3 },
  HostUnreachable: { retry: true, exit: 4 },
  HostKeyUnknown: { retry: false, exit: 4 },
  HostKeyChanged: { retry: false, exit: 4 },
  HostAuthFailed: { retry: false, exit: 4 },
  /** The login may not do by sudo what it has to. */
  SudoRefused: { retry: false, exit: 3 },
  CommandTimeout: { retry: true, exit: 4 },
  CommandFailed: { retry: false, exit: 1 },
  NodeUnreachable: { retry: true, exit: 4 },
  NodeAuthFailed: { retry: false, exit: 4 },
  NodeWontStart: { retry: false, exit: 1 },
  SecretUnavailable: { retry: false, exit: 4 },
  TemporalUnreachable: { retry: false, exit: 4 },
  NoWorker: { retry: false, exit: 4 },
  /** Waited for a condition that did not come true in time. */
  NotReached: { retry: false, exit: 1 },
  /** All steps were done and the verdict is still not healthy. */
  NotProven: { retry: false, exit: 1 },
} as const satisfies Record<string, { retry: boolean; exit: number }>;

export type FailureType = keyof typeof FAILURES;

export interface FailureText {
  /** What happened, and to which host or node. */
  readonly what: string;
  /** What was left as it is. */
  readonly left: string;
  /** What to do next. */
  readonly next: string;
}

/** A refusal or failure with the three things that a person needs to know. Never holds a secret. */
export class ForgeError extends Error {
  override readonly name = 'ForgeError';

  /** What came to its end all the same, or may have, where several things were done at once; `undefined` where that is not told apart. */
  readonly done: readonly string[] | undefined;

  constructor(
    readonly type: FailureType,
    readonly text: FailureText,
    options?: { cause?: unknown; done?: readonly string[] },
  ) {
    super(`${text.what} ${text.left} ${text.next}`, options);
    this.done = options?.done;
  }
}

/** Several texts as one that says them all, nothing twice. */
export function joinTexts(texts: readonly FailureText[]): FailureText {
  const all = (part: keyof FailureText) => [...new Set(texts.map((text) => text[part]))].filter(Boolean).join(' ');
  return { what: all('what'), left: all('left'), next: all('next') };
}
