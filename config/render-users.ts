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

/** The users of one node. The default user is off, so nobody gets in without a name. */
export function renderUsers(spec: ClusterSpec, secrets: NodeSecrets): string {
  const { keys, channels, commands } = spec.users.app;
  const rights: Readonly<Record<Duty, string>> = {
    operator: `${NO_DATA} ${OPERATOR_RIGHTS}`,
    replication: `${NO_DATA} +psync +replconf +ping`,
    app: `resetkeys ${keys} resetchannels ${channels} -@all ${commands}`.replace(/ +/g, ' '),
    admin: '~* &* +@all',
  };
  const line = (duty: Duty) => `user ${userName(spec, duty)} on ${passwords(secrets[duty])} ${rights[duty]}`;
  return `${[
    `user default off resetpass ${NO_DATA}`,
    line('operator'),
    line('replication'),
    line('app'),
    line('admin'),
  ].join('\n')}\n`;
}

/** During a rotation both secrets are let in. */
function passwords({ current, next }: NodeSecrets[Duty]): string {
  const hash = (secret: NodeSecrets[Duty]['current']) =>
    `#${createHash('sha256').update(secret.reveal(), 'utf8').digest('hex')}`;
  return next === undefined ? hash(current) : `${hash(current)} ${hash(next)}`;
}
