import type { SecretResolver } from '../../config/secrets.js';
import { fenceUsersOf, fenceUsersUpTo } from '../../domain/fence.js';
import type { FencesOnNode } from '../../domain/leftovers.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { NodeConnection } from './connection.js';
import { asOperator } from './operator.js';

export interface FencesRequest {
  readonly spec: ClusterSpec;
  readonly secrets: SecretResolver;
  /** The newest generation that is over. */
  readonly upTo: number;
}

/** The fence users on each node of the spec. Only reads. @throws ForgeError SecretUnavailable */
export async function readFences({ spec, secrets }: Omit<FencesRequest, 'upTo'>): Promise<FencesOnNode[]> {
  await secrets(spec.secrets.operator.current);
  const reading = declaredNodes(spec).map(async ({ name: node }): Promise<FencesOnNode> => {
    const users = await asOperator({ spec, node, secrets }, usersOf).catch(() => null);
    return [node, users === null ? null : fenceUsersOf(users)];
  });
  return Promise.all(reading);
}

/**
 * Drops the fence users of ended operations on all nodes of the spec, and their connections with them; which, as `node: user`. A node that does not answer
 * is passed over: there the next fence does it.
 */
export async function dropFences({ spec, secrets, upTo }: FencesRequest): Promise<string[]> {
  const dropping = declaredNodes(spec).map(async ({ name: node }) => {
    const dropped = await asOperator({ spec, node, secrets }, (connection) => dropOn(connection, upTo));
    return dropped.map((user) => `${node}: ${user}`);
  });
  const outcomes = await Promise.allSettled(dropping);
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
}

async function dropOn(connection: NodeConnection, upTo: number): Promise<string[]> {
  const over = fenceUsersUpTo(upTo, await usersOf(connection));
  if (over.length > 0) await connection.ask('ACL', 'DELUSER', ...over);
  return over;
}

async function usersOf(connection: NodeConnection): Promise<string[]> {
  const users = await connection.ask('ACL', 'USERS');
  return Array.isArray(users) ? users.map(String) : [];
}
