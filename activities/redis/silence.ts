import type { Silence } from '../../domain/observation.js';
import { UnreadableAnswer } from '../../domain/unreadable.js';
import { visibleLine } from '../../domain/visible.js';

/** Why a node gave no answer, in our words and in its own. The text never holds a secret, and the cause is left behind: it may. */
export class NodeSilent extends Error {
  override readonly name = 'NodeSilent';

  constructor(
    readonly silence: Silence,
    readonly detail: string,
  ) {
    super(`${silence}: ${detail}`);
  }
}

/** The first words of Redis's error replies that say more than that something failed. */
const REPLIES: readonly (readonly [RegExp, Silence])[] = [
  [/^(WRONGPASS|NOAUTH|NOPERM)\b/, 'wrong-secret'],
  [/^ERR (invalid password|AUTH|Client sent AUTH)/i, 'wrong-secret'],
  [/^(LOADING|MASTERDOWN)\b/, 'loading'],
  [/^BUSY\b/, 'busy-script'],
  [/cluster support disabled/i, 'not-cluster-mode'],
  [/^Command timed out/, 'timeout'],
  [/^(Unknown RESP type|Protocol error)/, 'not-redis'],
];

const SYSTEM_CODES: Readonly<Record<string, Silence>> = {
  ECONNREFUSED: 'connection-refused',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ENOTFOUND: 'unreachable',
  EAI_AGAIN: 'unreachable',
};

/** Maps whatever a connection or a command failed with. `secret` is taken out of the text wherever it stands. */
export function silenceOf(error: unknown, secret?: string): NodeSilent {
  if (error instanceof NodeSilent) return error;
  if (error instanceof UnreadableAnswer) return new NodeSilent('error', error.message);
  const message = error instanceof Error ? error.message : 'it failed without an error';
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const silence = SYSTEM_CODES[code] ?? REPLIES.find(([words]) => words.test(message))?.[1] ?? 'error';
  return new NodeSilent(silence, redact(message, secret));
}

/** The client library asks for a report of what is only not Redis. */
function redact(text: string, secret: string | undefined): string {
  const ours = text.replace('. Please report this.', '');
  return visibleLine(secret === undefined || secret === '' ? ours : ours.replaceAll(secret, '[secret]'));
}
