import { createHash } from 'node:crypto';
import { type Capabilities, capabilitiesOf } from '../domain/capabilities.js';
import type { ClusterSpec, Duty } from '../domain/spec.js';
import { userName } from '../domain/users.js';
import type { NodeSecrets } from './secrets.js';

const NO_DATA = 'resetkeys resetchannels -@all';

/**
 * What observing a cluster takes, and the making of users: whatever changes a node does it as the fence user of its attempt. Not `config|rewrite` and
 * `acl|save`: our files are the source. `acl|setuser` lets it raise its own rights, so its secret is worth as much as the admin's; the list is
 * there so that a mistake of ours can neither touch data nor go past the fence.
 */
const OPERATOR_RIGHTS = [
  '+ping +auth +hello +command +info +role +dbsize +lastsave +time +readonly +readwrite +multi +exec',
  '+client|id +client|getname +client|setname +client|list',
  '+cluster|nodes +cluster|info +cluster|myid +cluster|slots +cluster|replicas +cluster|keyslot +cluster|countkeysinslot',
  '+config|get +acl|whoami +acl|users +acl|list +acl|getuser +acl|setuser +acl|deluser',
  // How many keys a move will take, and how large they are: their names and sizes, never a value.
  '~* +cluster|getkeysinslot +memory|usage',
].join(' ');

/** What forming and steering a cluster takes, and nothing that reads or writes keys. */
const STEERING_RIGHTS =
  '+ping +auth +hello +command +client +info +role +dbsize +lastsave +bgsave +wait +time +cluster +config|get +config|set';

const REPLICATION_RIGHTS = '+psync +replconf +ping';

/**
 * Where the source is told to move slots (Valkey), it logs in to the target as the replication user and writes what it has as a client would: the snapshot as
 * commands, then the commands of its clients as they come, PFCOUNT among them, which mends what it reads. Without what empties a node, loads code or moves keys
 * elsewhere. Only there: older servers do not know the words, and Redis has a secret of its own for this.
 */
const PUSHING_RIGHTS = '~* +@write -@scripting -@dangerous +restore +sort +pfcount +select +cluster|syncslots';

/**
 * What moving slots takes, by either mover. Key by key the source reads, the target writes, and neither's values can be read by whoever has these rights:
 * MIGRATE hands keys on from node to node, and what it sends is SELECT and RESTORE-ASKING. The size of a key is its own affair, its name is not hidden.
 */
const MOVING_RIGHTS =
  '~* +ping +auth +select +info +dbsize +cluster +migrate +restore-asking +memory|usage +config|get +config|set';

/** Besides, of two copies of a key the one that nobody serves is taken away. */
const MENDING_RIGHTS = `${MOVING_RIGHTS} +asking +unlink`;

/**
 * `steer`: cluster and settings. `users`: only the rights of users. `move`: slots and their keys, without reading values. `mend`: as `move`, and half states of
 * slots.
 */
export type FenceRights = 'steer' | 'users' | 'move' | 'mend';

const FENCE_RIGHTS: Readonly<Record<FenceRights, string>> = {
  steer: STEERING_RIGHTS,
  users: '+ping +auth +acl|whoami +acl|getuser +acl|setuser',
  move: MOVING_RIGHTS,
  mend: MENDING_RIGHTS,
};

/** The rules of a fence user, after `reset`. */
export function fenceRules(rights: FenceRights): string[] {
  return `${NO_DATA} ${FENCE_RIGHTS[rights]}`.split(' ');
}

/**
 * Nobody can be the default user, but a server is it when it reads its append-only file: before Redis 8.6 and Valkey 9.1 it drops what is in a transaction there
 * (MULTI, a script, a key that expired as it was moved) where this user may not write it, and says so in its log only.
 */
const REPLAYING_RIGHTS = '~* +@write +pfcount';

const DUTIES = ['operator', 'replication', 'app', 'admin'] as const satisfies readonly Duty[];

/** The users of one node. The default user is off and has no password, so nobody gets in without a name. */
export function renderUsers(spec: ClusterSpec, secrets: NodeSecrets): string {
  const line = (duty: Duty) => {
    const passwords = passwordHashes(secrets[duty]).map((hash) => `#${hash}`);
    return ['user', userName(spec, duty), 'on', ...passwords, rightsOf(spec, duty)].join(' ');
  };
  return `${[`user default off resetpass ${NO_DATA} ${REPLAYING_RIGHTS}`, ...DUTIES.map(line)].join('\n')}\n`;
}

/** What ACL SETUSER takes to give each user the rights of the spec, and no others, whatever it had; passwords stay as they are. */
export function userRules(spec: ClusterSpec): { readonly user: string; readonly rules: readonly string[] }[] {
  const whole = (state: 'on' | 'off', rights: string) => `${state} ${NO_DATA} ${rights}`.split(' ');
  return [
    { user: 'default', rules: whole('off', REPLAYING_RIGHTS) },
    ...DUTIES.map((duty) => ({ user: userName(spec, duty), rules: whole('on', rightsOf(spec, duty)) })),
  ];
}

function rightsOf(spec: ClusterSpec, duty: Duty): string {
  switch (duty) {
    case 'operator':
      return [NO_DATA, OPERATOR_RIGHTS, ...newerRights(spec)].join(' ');
    case 'replication':
      // What pushing takes away, `-@dangerous`, would take PSYNC with it: what replicas need is granted last.
      return `${NO_DATA} ${[...(pushesSlots(spec) ? [PUSHING_RIGHTS] : []), REPLICATION_RIGHTS].join(' ')}`;
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

/** Words that older servers do not know. */
function newerRights(spec: ClusterSpec): string[] {
  const { slotStats, importerReclaims } = capabilitiesOfSpec(spec);
  return [...(slotStats ? ['+cluster|slot-stats'] : []), ...(importerReclaims ? ['+cluster|shards'] : [])];
}

function pushesSlots(spec: ClusterSpec): boolean {
  return capabilitiesOfSpec(spec).slotMover?.asked === 'source';
}

function capabilitiesOfSpec({ engine: { kind, version } }: ClusterSpec): Capabilities {
  return capabilitiesOf({ engine: kind, version });
}

/** SHA-256 in hex, as Redis keeps passwords. During a rotation both secrets are let in. */
export function passwordHashes({ current, next }: NodeSecrets[Duty]): string[] {
  return [current, ...(next === undefined ? [] : [next])].map((secret) =>
    createHash('sha256').update(secret.reveal(), 'utf8').digest('hex'),
  );
}
