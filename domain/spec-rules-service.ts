import type { RuleProblem } from './spec-path.js';
import type { ClusterSpec } from './spec.js';

/** What a unit with ProtectHome and PrivateTmp does not see. */
const HIDDEN = /^\/(home|root|run\/user|tmp|var\/tmp)(\/|$)/;
/** Every character that systemd takes as itself in a path. */
const PLAIN = /^[A-Za-z0-9/._-]+$/;

/** What the service method asks of the hosts. */
export function serviceProblems({ service, hosts }: ClusterSpec): RuleProblem[] {
  if (service.method !== 'systemd') return [];
  return hosts.flatMap(({ root }, i): RuleProblem[] => {
    const problem = (reason: string, right: string): RuleProblem[] => [
      { path: ['hosts', i, 'root'], reason, right, with: [['root'], ['service', 'method']] },
    ];
    if (HIDDEN.test(root)) {
      return problem(
        `is ${root}, which is hidden from the nodes' unit`,
        'a folder such as /var/lib/redisforge or /srv/redis',
      );
    }
    return PLAIN.test(root)
      ? []
      : problem('has characters that mean more to systemd', 'a path of letters, digits and . _ -');
  });
}
