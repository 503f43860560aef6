import type { StepToken } from './survey.js';

/** Redis users under this prefix stand for one attempt of one step of one generation; no file ever has them, and whoever compares users leaves them out. */
const FENCE_PREFIX = 'redisforge-fence-';

/** What the name of a fence user says. */
export interface FenceMark extends Pick<StepToken, 'generation' | 'attempt'> {
  /** Stands for the step: eight hex digits of its digest. */
  readonly step: string;
}

export function fenceUserName({ generation, step, attempt }: FenceMark): string {
  return `${FENCE_PREFIX}${generation}-${step}-${attempt}`;
}

/** The mark in a user's name; `null` for every other user. */
export function fenceMarkOf(user: string): FenceMark | null {
  const match = /^redisforge-fence-(\d{1,15})-([0-9a-f]{8})-(\d{1,9})$/.exec(user);
  if (match === null) return null;
  const [, generation = '', step = '', attempt = ''] = match;
  return { generation: Number(generation), step, attempt: Number(attempt) };
}

/** All fence users among a node's users. */
export function fenceUsersOf(users: readonly string[]): string[] {
  return users.filter((user) => fenceMarkOf(user) !== null);
}

export interface Standing {
  /** They have been superseded by this attempt: deleting them drops their connections. */
  readonly older: readonly string[];
  /** They have superseded this attempt; where there is one, it must not act. */
  readonly newer: readonly string[];
}

/** Where an attempt stands among a node's users. Other steps of its own generation go on beside it. */
export function standingOf(own: FenceMark, users: readonly string[]): Standing {
  const order = (user: string): number => {
    const other = fenceMarkOf(user);
    if (other === null) return 0;
    if (other.generation !== own.generation) return other.generation - own.generation;
    return other.step === own.step ? other.attempt - own.attempt : 0;
  };
  return { older: users.filter((user) => order(user) < 0), newer: users.filter((user) => order(user) > 0) };
}

/** The fence users of a generation and of all before it. */
export function fenceUsersUpTo(generation: number, users: readonly string[]): string[] {
  return users.filter((user) => {
    const mark = fenceMarkOf(user);
    return mark !== null && mark.generation <= generation;
  });
}
