import { passwordHashes, userRules } from '../../config/render-users.js';
import { type NodeSecrets, resolveSecrets, type SecretResolver } from '../../config/secrets.js';
import { ForgeError } from '../../domain/errors.js';
import { nodeName } from '../../domain/nodes.js';
import type { ClusterSpec, Duty } from '../../domain/spec.js';
import type { StepResult } from '../../domain/steps.js';
import type { StepToken } from '../../domain/survey.js';
import { userName } from '../../domain/users.js';
import { type NodeConnection, valueOf } from './connection.js';
import { refusalOf } from './failure.js';
import { behindFence, type FenceDeps } from './fence.js';
import { asOperator } from './operator.js';

export interface UsersStep {
  readonly spec: ClusterSpec;
  readonly host: string;
  readonly port: number;
  readonly token: StepToken;
}

export interface UsersDeps {
  readonly secrets: SecretResolver;
}

/**
 * Gives the users of one running node the rights of the spec. By ACL SETUSER, which changes each at once and keeps its connections and passwords: ACL LOAD
 * drops every client and every replication link up to Redis 7.2 (src/acl.c). Users that the spec does not have are left.
 * @throws ForgeError Refused where a user has another secret than the spec's, CommandFailed where Redis refuses the rights, NotReached where a password
 * changed on the way, NodeUnreachable, NodeAuthFailed, SecretUnavailable, Fenced
 */
export async function setUsers({ spec, host, port, token }: UsersStep, deps: FenceDeps): Promise<StepResult> {
  const node = nodeName(host, port);
  const wanted = await resolveSecrets({ spec, resolve: deps.secrets });
  return behindFence({ spec, token, nodes: [node], rights: 'users' }, deps, async (connection) => {
    await refuseOtherSecrets({ spec, node, connection, wanted });
    const effects: string[] = [];
    for (const { user, rules } of userRules(spec)) {
      const before = await readUser(connection, user);
      const selectors = before?.rights.selectors === '' ? [] : ['clearselectors'];
      const [reply] = await connection.pipeline([['ACL', 'SETUSER', user, ...selectors, ...rules]]);
      if (reply?.ok !== true) throw refused({ node, user, words: refusalOf(reply, node), effects });
      const after = await readUser(connection, user);
      effects.push(...changesOf(before, after).map((change) => `${node}: user ${user}: ${change}`));
    }
    await refuseOtherSecrets({ spec, node, connection, wanted });
    return { effects };
  });
}

export interface OtherSecretsRequest {
  readonly spec: ClusterSpec;
  readonly nodes: readonly string[];
}

/**
 * By node name: the users that have another secret there than the spec's, or are not there; `null` where a node cannot be asked. Hashes are compared here and
 * go nowhere.
 * @throws ForgeError SecretUnavailable
 */
export async function otherSecrets(
  { spec, nodes }: OtherSecretsRequest,
  { secrets }: UsersDeps,
): Promise<Record<string, string[] | null>> {
  if (nodes.length === 0) return {};
  const wanted = await resolveSecrets({ spec, resolve: secrets });
  const found = nodes.map(async (node) => {
    const users = await asOperator({ spec, node, secrets }, (connection) =>
      usersWithOtherSecrets({ spec, connection, wanted }),
    ).catch(() => null);
    return [node, users] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}

interface Comparison {
  readonly spec: ClusterSpec;
  readonly connection: NodeConnection;
  readonly wanted: NodeSecrets;
}

async function usersWithOtherSecrets({ spec, connection, wanted }: Comparison): Promise<string[]> {
  const duties = Object.entries(wanted).map(([duty, secret]) => ({
    user: userName(spec, duty as Duty),
    hashes: passwordHashes(secret),
  }));
  const others: string[] = [];
  for (const { user, hashes } of duties) {
    const running = await readUser(connection, user);
    const same = running !== null && [...running.passwords].sort().join() === [...hashes].sort().join();
    if (!same) others.push(user);
  }
  return others;
}

async function refuseOtherSecrets({ node, ...comparison }: Comparison & { readonly node: string }): Promise<void> {
  const others = await usersWithOtherSecrets(comparison);
  if (others.length === 0) return;
  throw new ForgeError('Refused', {
    what: `On ${node} these users have another secret than the one that this worker reads for the spec, or are not there: ${others.join(', ')}.`,
    left: 'No secret and no file of the node was changed.',
    next: 'Give the worker the secrets that the node was started with; changing them needs a rotation, which this version does not have.',
  });
}

/** What a user may do, part by part, in the words of ACL GETUSER; never a password. */
interface RunningUser {
  readonly passwords: readonly string[];
  readonly rights: Readonly<Record<'state' | 'commands' | 'keys' | 'channels' | 'selectors', string>>;
}

async function readUser(connection: NodeConnection, user: string): Promise<RunningUser | null> {
  const [reply] = await connection.pipeline([['ACL', 'GETUSER', user]]);
  const fields: unknown = valueOf(reply);
  if (!Array.isArray(fields)) return null;
  const field = (name: string): unknown => fields[fields.indexOf(name) + 1];
  const flags = words(field('flags')).split(' ');
  return {
    passwords: words(field('passwords')).split(' '),
    rights: {
      state: flags.includes('on') ? 'on' : 'off',
      commands: words(field('commands')),
      keys: words(field('keys')),
      channels: words(field('channels')),
      selectors: fields.includes('selectors') ? words(field('selectors')) : '',
    },
  };
}

/** Lists up to Redis 6.2, one text from 7.0 on. */
function words(value: unknown): string {
  return Array.isArray(value) ? value.flat(2).map(String).join(' ') : String(value);
}

function changesOf(before: RunningUser | null, after: RunningUser | null): string[] {
  if (before === null || after === null) return [];
  return (['state', 'commands', 'keys', 'channels', 'selectors'] as const).flatMap((part) => {
    const [from, to] = [before.rights[part], after.rights[part]];
    return sortedWords(from) === sortedWords(to) ? [] : [`${part} ${from || 'none'} → ${to || 'none'}`];
  });
}

/** Redis up to 7.0 finds words for the same rights anew each time, in any order. */
function sortedWords(text: string): string {
  return text.split(' ').sort().join(' ');
}

function refused({
  node,
  user,
  words: reason,
  effects,
}: {
  node: string;
  user: string;
  words: string;
  effects: readonly string[];
}): ForgeError {
  const before = effects.length === 0 ? '' : `Done before: ${effects.join('; ')}. `;
  return new ForgeError('CommandFailed', {
    what: `${node} refuses the rights of user ${user}: ${reason}.`,
    left: `${before}The files of the node were left as they are.`,
    next: 'Correct users.app in the spec and run apply again.',
  });
}
