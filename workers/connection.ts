import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import { ForgeError } from '../domain/errors.js';
import { definedOnly } from './environment.js';

export interface WorkerConnection {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly address: string;
  /** ID of the namespace: tells this Temporal server from every other one. */
  readonly server: string;
}

/** Connects as Temporal's own environment configuration says (`TEMPORAL_ADDRESS`, profiles, TLS, API key). */
export async function connectWorker(env: NodeJS.ProcessEnv): Promise<WorkerConnection> {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig({ overrideEnvVars: definedOnly(env) });
  const address = connectionOptions.address ?? 'localhost:7233';
  try {
    const connection = await NativeConnection.connect({ ...connectionOptions, address });
    return { connection, namespace, address, server: await namespaceId(connection, namespace) };
  } catch (error) {
    throw new ForgeError(
      'TemporalUnreachable',
      {
        what: `Temporal at ${address}, namespace ${namespace}, cannot be used: ${(error instanceof Error ? error.message : String(error)).replace(/\.$/, '')}.`,
        left: 'The worker did not start.',
        next: 'Start one with `redisforge dev`, or set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE to yours.',
      },
      { cause: error },
    );
  }
}

/** Closes the connection where it has no use: one that is left open keeps the process from ending. */
async function namespaceId(connection: NativeConnection, namespace: string): Promise<string> {
  try {
    const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace });
    return namespaceInfo?.id ?? '';
  } catch (error) {
    await connection.close();
    throw error;
  }
}
