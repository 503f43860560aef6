import { FAILURES, ForgeError } from '../../../domain/errors.js';
import { type Trouble, troubleOf } from '../../../domain/move-trouble.js';
import type { Reply } from '../connection.js';
import { silenceOf } from '../silence.js';

export interface TroubleText {
  readonly trouble: Trouble;
  /** Who refused, or did not answer. */
  readonly node: string;
  readonly slot?: number;
  /** The node's own words. */
  readonly words: string;
}

/** Something that a move met half way. Whoever started the move decides whether it is tried again. */
export class MoveTrouble extends Error {
  override readonly name = 'MoveTrouble';

  constructor(readonly text: TroubleText) {
    super(`${text.node}${text.slot === undefined ? '' : `, slot ${text.slot}`}: ${text.words}`);
  }
}

/** A refused command as trouble; `undefined` where it was taken. */
export function refused(reply: Reply | undefined, at: { readonly node: string; readonly slot?: number }) {
  if (reply?.ok === true) return undefined;
  const words = silenceOf(reply?.error ?? new Error('no reply')).detail;
  return new MoveTrouble({ trouble: troubleOf(words), ...at, words });
}

/** A node that does not answer, as trouble that may pass. @throws ForgeError as it is where it will not: the attempt has been superseded */
export function silent(error: unknown, node: string): MoveTrouble {
  if (error instanceof MoveTrouble) return error;
  if (error instanceof ForgeError) {
    if (!FAILURES[error.type].retry) throw error;
    return new MoveTrouble({ trouble: 'passes', node, words: error.text.what });
  }
  const { silence, detail } = silenceOf(error);
  return new MoveTrouble({
    trouble: silence === 'wrong-secret' ? 'roles' : 'passes',
    node,
    words: `${silence}: ${detail}`,
  });
}

/** The replies of one node, all of them taken. @throws MoveTrouble where it refuses one, or does not answer; ForgeError as `silent` */
export async function taken(node: string, sending: Promise<Reply[]>): Promise<Reply[]> {
  const replies = await sending.catch((error: unknown) => {
    throw silent(error, node);
  });
  for (const reply of replies) {
    const trouble = refused(reply, { node });
    if (trouble !== undefined) throw trouble;
  }
  return replies;
}
