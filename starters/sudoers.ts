import { hostPaths } from '../domain/nodes.js';
import type { ClusterSpec, HostSpec } from '../domain/spec.js';

/** For each host that is entered by sudo: how the host helper is put there by hand the first time, and the one rule that is needed from then on. */
export function sudoersText({ hosts }: Pick<ClusterSpec, 'hosts'>): string[] {
  return hosts.filter(({ ssh }) => ssh.privilege === 'sudo').flatMap(hostText);
}

/** What the rule amounts to; docs/service-methods.md says it at length. */
const HONESTLY =
  '# This equals root: who may run the host helper may give it a newer one. It keeps other programs out, and leaves a trace in the log of sudo.';

function hostText(host: HostSpec): string[] {
  const { root, helper } = hostPaths(host);
  return [
    `# ${host.name} (${host.ssh.host})`,
    '# Once, as root, with the program that `redisforge doctor --helper` prints beside you as redisforge-host:',
    `install -d -o root -g root -m 711 ${root}`,
    `install -d -o root -g root -m 755 ${root}/bin`,
    `install -o root -g root -m 755 redisforge-host ${helper}`,
    '# /etc/sudoers.d/redisforge (check it with: visudo -cf /etc/sudoers.d/redisforge)',
    HONESTLY,
    `${sudoersWord(host.ssh.user)} ALL=(root) NOPASSWD: ${helper}`,
    `Defaults!${helper} !requiretty`,
    '',
  ];
}

/** A login name of another directory may have a backslash or an @. Paths need nothing: domain/spec-rules-service.ts keeps them plain. */
function sudoersWord(word: string): string {
  return word.replace(/[^A-Za-z0-9._-]/g, '\\$&');
}
