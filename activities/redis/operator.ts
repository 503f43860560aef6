import type { SecretResolver } from '../../config/secrets.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { userName } from '../../domain/users.js';
import { type NodeConnection, withNode } from './connection.js';
import { nodeFailure } from './failure.js';

export interface OperatorRequest {
  readonly spec: ClusterSpec;
  /** Name of a declared node. */
  readonly node: string;
  readonly secrets: SecretResolver;
}

/** Works on one declared node as the operator. @throws ForgeError NodeUnreachable, NodeAuthFailed, SecretUnavailable, and those of `work` */
export async function asOperator<T>(
  { spec, node, secrets }: OperatorRequest,
  work: (connection: NodeConnection) => Promise<T>,
): Promise<T> {
  const target = declaredNodes(spec).find(({ name }) => name === node);
  if (target === undefined) throw new Error(`${node} is no node of ${spec.name}`);
  const credentials = {
    user: userName(spec, 'operator'),
    password: await secrets(spec.secrets.operator.current),
  };
  try {
    return await withNode({ ...target, credentials, timeoutMs: spec.timings.redisCommandMs }, work);
  } catch (error) {
    throw nodeFailure(error, node);
  }
}
