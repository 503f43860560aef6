import { createHash } from 'node:crypto';
import type { ClusterSpec, Duty } from '../domain/spec.js';
import { userName } from '../domain/users.js';
import type { NodeSecrets } from './secrets.js';

/**
 * What observing, forming and steering a cluster takes, and nothing that reads or writes keys. Not `config|rewrite` and `acl|save`: our files
 * are the source. `acl|setuser` and `config|set` let it raise its own rights, so its secret is worth as much as the admin's; the list is there so that
 * a mistake of ours cannot touch data.
 */
const OPERATOR_RIGHTS = [
  '+ping +auth +hello +command +client +info +role +dbsize +lastsave +bgsave +wait +time',
  '+cluster +readonly +readwrite +config|get +config|set',
  '+acl|whoami +acl|users +acl|list +acl|getuser +acl|setuser +acl|deluser +acl|load',
].join(' ');

const NO_DATA = 'resetkeys resetchannels -@all';

const DUTIES = ['operator', 'replication', 'app', 'admin'] as const satisfies readonly Duty[];

/** The users of one node. The default user is off, so nobody gets in without a name. */
export function renderUsers(spec: ClusterSpec, secrets: NodeSecrets): string {
  const line = (duty: Duty) => {
    const passwords = passwordHashes(secrets[duty]).map((hash) => `#${hash}`);
    return ['user', userName(spec, duty), 'on', ...passwords, rightsOf(spec, duty)].join(' ');
  };
  return `${[`user default off resetpass ${NO_DATA}`, ...DUTIES.map(line)].join('\n')}\n`;
}

/** What ACL SETUSER takes to give each user the rights of the spec, and no others, whatever it had; passwords stay as they are. */
export function userRules(spec: ClusterSpec): { readonly user: string; readonly rules: readonly string[] }[] {
  const whole = (state: 'on' | 'off', rights: string) => `${state} ${NO_DATA} ${rights}`.trim().split(' ');
  return [
    { user: 'default', rules: whole('off', '') },
    ...DUTIES.map((duty) => ({ user: userName(spec, duty), rules: whole('on', rightsOf(spec, duty)) })),
  ];
}

function rightsOf(spec: ClusterSpec, duty: Duty): string {
  switch (duty) {
    case 'operator':
      return `${NO_DATA} ${OPERATOR_RIGHTS}`;
    case 'replication':
      return `${NO_DATA} +psync +replconf +ping`;
    case 'app': {
      const { keys, channels, commands } = spec.users.app;
      return `resetkeys ${keys} resetchannels ${channels} -@all ${commands}`.replace(/\s+/g, ' ');
    }
    case 'admin':
      return '~* &* +@all';
    default:
      return duty satisfies never;
  }
}

/** SHA-256 in hex, as Redis keeps passwords. During a rotation both secrets are let in. */
export function passwordHashes({ current, next }: NodeSecrets[Duty]): string[] {
  return [current, ...(next === undefined ? [] : [next])].map((secret) =>
    createHash('sha256').update(secret.reveal(), 'utf8').digest('hex'),
  );
}
