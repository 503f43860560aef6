import { lookup } from 'node:dns/promises';
import { ForgeError } from '../domain/errors.js';
import type { InitHost } from './init-draft.js';
import type { CliIo } from './io.js';

/** A host with its address and the first key that it shows. */
export interface ShownHost extends InitHost {
  readonly address: string;
  readonly hostKey: string;
}

/** A host key is shown within milliseconds by hosts that are up; this is for those that are not. */
const HOST_KEY_TIMEOUT_MS = 10_000;

/** Each host with its address and the first key that it shows. The key is not trusted yet. */
export async function shownKeys(hosts: readonly InitHost[]): Promise<ShownHost[]> {
  const { fetchHostKeys } = await import('../activities/ssh/host-key.js');
  return Promise.all(
    hosts.map(async (host) => {
      const address = await addressOf(host);
      const [hostKey] = await fetchHostKeys({ host: host.host, port: host.port, timeoutMs: HOST_KEY_TIMEOUT_MS });
      if (hostKey === undefined) throw new Error('fetchHostKeys gives at least one key');
      return { ...host, address, hostKey };
    }),
  );
}

/** Where Redis is to be reached: what was given, else what the name stands for. */
export async function addressOf({ address, host }: InitHost): Promise<string> {
  if (address !== null) return address;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new ForgeError(
      'HostUnreachable',
      {
        what: `The name ${host} has no address.`,
        left: 'Nothing was written.',
        next: 'Check the name, or add ,address=IP.',
      },
      { cause: error },
    );
  }
}

/** Shows the fingerprints, and asks. Throws ForgeError Refused where nobody says yes. */
export async function confirmKeys(io: CliIo, hosts: readonly ShownHost[], yes: boolean): Promise<void> {
  const { fingerprint } = await import('../activities/ssh/host-key.js');
  io.err(
    'These are the keys that the hosts show. Compare them with what the hosts say of themselves (`ssh-keygen -lf`).',
  );
  for (const { name, host, port, hostKey } of hosts) {
    io.err(`  ${name}  ${host}:${port}  ${hostKey.split(' ')[0]}  ${fingerprint(hostKey)}`);
  }
  if (yes || (io.interactive && (await io.ask('Pin them?')))) return;
  throw new ForgeError('Refused', {
    what: 'The keys of the hosts were not confirmed.',
    left: 'Nothing was written.',
    next: 'Compare the fingerprints and answer yes, or give --yes.',
  });
}
