import type { RuleProblem, SpecPath } from './spec-path.js';
import type { ClusterSpec, HostSpec } from './spec.js';

/** What a unit with ProtectHome and PrivateTmp does not see. */
const HIDDEN = /^\/(home|root|run\/user|tmp|var\/tmp)(\/|$)/;
/** Every character that units and sudoers rules take as itself in a path. */
const PLAIN = /^[A-Za-z0-9/._-]+$/;

/** What the service method and sudo ask of the hosts' root folders. */
export function serviceProblems({ service, hosts }: ClusterSpec): RuleProblem[] {
  return hosts.flatMap((host, i) => [
    ...(service.method === 'systemd' ? rootProblems(host, i, ['service', 'method']) : []),
    ...(service.method !== 'systemd' && host.ssh.privilege === 'sudo' ? plainProblems(host, i, ['ssh', 'sudo']) : []),
  ]);
}

function rootProblems(host: HostSpec, i: number, because: SpecPath): RuleProblem[] {
  if (!HIDDEN.test(host.root)) return plainProblems(host, i, because);
  return [
    {
      path: ['hosts', i, 'root'],
      reason: `is ${host.root}, which is hidden from the nodes' unit`,
      right: 'a folder such as /var/lib/redisforge or /srv/redis',
      with: [['root'], because],
    },
  ];
}

function plainProblems({ root }: HostSpec, i: number, because: SpecPath): RuleProblem[] {
  if (PLAIN.test(root)) return [];
  return [
    {
      path: ['hosts', i, 'root'],
      reason: 'has characters that mean more than themselves to units and sudo rules',
      right: 'a path of letters, digits and . _ -',
      with: [['root'], because],
    },
  ];
}
