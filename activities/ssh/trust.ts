import { readFile } from 'node:fs/promises';
import { ForgeError } from '../../domain/errors.js';
import type { SshEndpoint } from '../../domain/spec.js';
import { fingerprint } from './host-key.js';
import { type KnownKeys, knownKeys } from './known-hosts.js';

/** The host keys that the spec trusts for an endpoint, and where a person finds them. */
export interface Trust extends KnownKeys {
  readonly endpoint: SshEndpoint;
  /** The name of the host in messages. */
  readonly label: string;
}

/** Throws ForgeError HostKeyUnknown where the known_hosts file cannot be read. */
export async function loadTrust({ endpoint, label }: { endpoint: SshEndpoint; label: string }): Promise<Trust> {
  const { hostKeys, host, port } = endpoint;
  if (hostKeys.kind === 'pinned') return { endpoint, label, trusted: hostKeys.keys, revoked: [] };
  try {
    return { endpoint, label, ...knownKeys({ text: await readFile(hostKeys.file, 'utf8'), host, port }) };
  } catch (cause) {
    throw new ForgeError(
      'HostKeyUnknown',
      {
        what: `The host key of ${label} cannot be checked: the known_hosts file ${hostKeys.file} cannot be read here.`,
        left: 'Nothing was changed.',
        next: 'Put the file there, or pin the key in the spec (ssh.hostKeys).',
      },
      { cause },
    );
  }
}

/** Why the key that a server showed is not to be trusted; `null` where it is. */
export function refusalOfKey({ endpoint, label, trusted, revoked }: Trust, shown: string): ForgeError | null {
  const where = `${label} (${endpoint.host}:${endpoint.port})`;
  const place = endpoint.hostKeys.kind === 'pinned' ? 'pinned in the spec' : `in ${endpoint.hostKeys.file}`;
  const left = 'The connection was given up before a login; nothing was changed.';
  if (revoked.includes(shown)) {
    return new ForgeError('HostKeyChanged', {
      what: `${where} shows the host key ${fingerprint(shown)}, which is marked as revoked ${place}.`,
      left,
      next: 'Give the host a new key, and put that one there.',
    });
  }
  if (trusted.includes(shown)) return null;
  if (trusted.length === 0) {
    return new ForgeError('HostKeyUnknown', {
      what: `${where} shows the host key ${fingerprint(shown)}, and none is ${place}.`,
      left,
      next: `Compare it on the host (ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub); if it is the same, trust this line: ${shown}`,
    });
  }
  return new ForgeError('HostKeyChanged', {
    what: `${where} shows the host key ${fingerprint(shown)}; ${place} is ${trusted.map(fingerprint).join(', ')}.`,
    left,
    next: `Somebody may be in between. Only if the host was given a new key on purpose, trust this line instead: ${shown}`,
  });
}
