import { ForgeError } from '../../domain/errors.js';
import type { Reply } from './connection.js';
import { silenceOf } from './silence.js';

/** A node's silence as a failure for people. The cause stays behind: a command that failed carries its arguments. */
export function nodeFailure(error: unknown, node: string): ForgeError {
  if (error instanceof ForgeError) return error;
  const { silence, detail } = silenceOf(error);
  const what = `${node} does not do what it is asked (${silence}: ${detail}).`;
  const left = 'The node was left as it is.';
  if (silence === 'wrong-secret') {
    return new ForgeError('NodeAuthFailed', {
      what,
      left,
      next: 'Compare the secret of the spec with the users of this node (ACL LIST as admin).',
    });
  }
  return new ForgeError('NodeUnreachable', {
    what,
    left,
    next: 'See whether the node runs and its port can be reached from here; then run the same again.',
  });
}

/** A node's own words for refusing a command. @throws ForgeError where it is not the command that it refuses */
export function refusalOf(reply: Reply | undefined, node: string): string {
  const refusal = silenceOf(reply?.ok === false ? reply.error : new Error('no reply'));
  if (refusal.silence !== 'error') throw nodeFailure(refusal, node);
  return refusal.detail;
}
