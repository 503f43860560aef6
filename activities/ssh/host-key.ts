import { createHash } from 'node:crypto';
import { type Algorithms, Client } from 'ssh2';
import { ForgeError } from '../../domain/errors.js';

/** Kinds of host keys that we ask a server for. An RSA key is asked for by its signatures with SHA-2; SHA-1 is not offered. */
const SIGNATURES = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
} as const satisfies Record<string, Algorithms['serverHostKey']>;

type KeyKind = keyof typeof SIGNATURES;
const KINDS = Object.keys(SIGNATURES) as KeyKind[];

/** `SHA256:…` of a key given as `algorithm base64`, as ssh-keygen -l prints it. */
export function fingerprint(key: string): string {
  const blob = Buffer.from(key.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** `algorithm base64` of the key as the protocol carries it: its kind is its first field (RFC 4253 §6.6). */
export function hostKeyText(blob: Buffer): string {
  const kind = blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1');
  return `${kind} ${blob.toString('base64')}`;
}

/** What to offer a server so that it shows one of these keys and no other; all kinds where there is none to go by. */
export function signaturesFor(keys: readonly string[]): NonNullable<Algorithms['serverHostKey']> {
  const wanted = KINDS.filter((kind) => keys.some((key) => key.startsWith(`${kind} `)));
  return (wanted.length === 0 ? KINDS : wanted).flatMap((kind) => [...SIGNATURES[kind]]);
}

/**
 * The host keys that the server at an address shows, `algorithm base64` each, one handshake for each kind; nothing is trusted by this.
 * Throws ForgeError HostUnreachable where it shows none within `timeoutMs`.
 */
export async function fetchHostKeys(server: { host: string; port: number; timeoutMs: number }): Promise<string[]> {
  const answers = await Promise.all(KINDS.map((kind) => fetchHostKey(server, kind)));
  const keys = answers.flatMap((answer) => ('key' in answer ? [answer.key] : []));
  if (keys.length > 0) return keys;
  const reason = answers.map((answer) => ('problem' in answer ? answer.problem : '')).find((text) => text !== '');
  throw new ForgeError('HostUnreachable', {
    what: `No SSH server shows a host key at ${server.host}:${server.port} (${reason ?? 'no answer'}).`,
    left: 'Nothing was changed.',
    next: 'Check address and port, and that sshd runs there.',
  });
}

type Shown = { readonly key: string } | { readonly problem: string };

function fetchHostKey(
  { host, port, timeoutMs }: { host: string; port: number; timeoutMs: number },
  kind: KeyKind,
): Promise<Shown> {
  return new Promise((resolve) => {
    const client = new Client();
    const settle = (shown: Shown) => {
      resolve(shown);
      client.destroy();
    };
    client.on('error', (error) => settle({ problem: error.message }));
    client.on('close', () => settle({ problem: 'the connection was closed' }));
    client.connect({
      host,
      port,
      username: 'redisforge',
      readyTimeout: timeoutMs,
      algorithms: { serverHostKey: [...SIGNATURES[kind]] },
      hostVerifier: (blob: Buffer) => {
        settle({ key: hostKeyText(blob) });
        return false;
      },
    });
  });
}
