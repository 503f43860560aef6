import { randomBytes } from 'node:crypto';
import type { LabHost } from '../../../lab/driver.js';
import { Secret, type SecretResolver } from '../../../config/secrets.js';
import type { ClusterSpec, HostSpec, SshAccess } from '../../../domain/spec.js';
import type { Lease } from '../../../domain/survey.js';
import { labDriver, type TestLab } from '../../support/lab.js';
import { specOf } from '../../support/spec.js';

/** How to reach a lab host with the lab's own key, its host key pinned. */
export async function accessTo(host: LabHost): Promise<SshAccess> {
  return {
    host: host.address,
    port: host.sshPort,
    user: host.user,
    privilege: 'login',
    auth: { kind: 'key', identityFile: host.identityFile },
    hostKeys: { kind: 'pinned', keys: [await labDriver.hostKey(host)] },
  };
}

/** A spec with these lab hosts; waits as in production, as nothing here waits for one to be over unless it says so. */
export async function specOfLab(lab: TestLab, change: Partial<ClusterSpec> = {}): Promise<ClusterSpec> {
  const hosts = await Promise.all(
    lab.hosts.map(
      async (host): Promise<HostSpec> => ({
        name: host.name,
        zone: host.zone,
        address: host.address,
        root: host.root,
        ssh: await accessTo(host),
        nodes: host.nodePorts.map((port) => ({ port })),
      }),
    ),
  );
  const base = specOf();
  const timings = { ...base.timings, sshConnectMs: 15_000, commandMs: 20_000, startMs: 15_000 };
  return { ...base, hosts, timings, redis: { ...base.redis, nofile: 1100, maxclients: 1000 }, ...change };
}

/** A strong secret for each reference, the same each time. */
export function randomSecrets(): SecretResolver {
  const made = new Map<string, Secret>();
  return (ref) => {
    const secret = made.get(ref) ?? new Secret(randomBytes(32).toString('base64url'));
    made.set(ref, secret);
    return Promise.resolve(secret);
  };
}

export function leaseOf(change: Partial<Lease> = {}): Lease {
  return {
    generation: 1,
    server: 'namespace-1',
    workflowId: 'cluster/orders/operation',
    runId: 'run-1',
    operation: 'apply',
    actor: 'anna',
    since: '2026-11-21T08:00:00.000Z',
    ...change,
  };
}
