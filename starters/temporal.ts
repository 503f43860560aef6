import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { ForgeError } from '../domain/errors.js';
import { TASK_QUEUE } from '../domain/ids.js';
import { definedOnly } from '../workers/environment.js';

export interface TemporalLink {
  readonly client: Client;
  readonly namespace: string;
  readonly address: string;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5_000;

/** Connects the CLI as Temporal's own environment configuration says. A ForgeError `TemporalUnreachable` says what was tried. */
export async function connectTemporal(env: NodeJS.ProcessEnv): Promise<TemporalLink> {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig({ overrideEnvVars: definedOnly(env) });
  const address = connectionOptions.address ?? 'localhost:7233';
  try {
    const connection = await Connection.connect({ ...connectionOptions, address, connectTimeout: CONNECT_TIMEOUT_MS });
    await requireNamespace(connection, namespace);
    const client = new Client({ connection, namespace });
    return { client, namespace, address, close: () => connection.close() };
  } catch (error) {
    throw new ForgeError(
      'TemporalUnreachable',
      {
        what: `Temporal at ${address} (namespace ${namespace}) cannot be used: ${reasonOf(error)}.`,
        left: 'Nothing was started or changed.',
        next: 'Start one with `redisforge dev`, or set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE) to yours.',
      },
      { cause: error },
    );
  }
}

async function requireNamespace(connection: Connection, namespace: string): Promise<void> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Where Temporal itself failed on the way, it is said for people; every other error is given back as it is. */
export function temporalFailure(error: unknown, { address, namespace }: TemporalLink): unknown {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!isGrpcServiceError(cause)) return error;
  return new ForgeError(
    'TemporalUnreachable',
    {
      what: `Temporal at ${address} (namespace ${namespace}) did not do what it was asked: ${reasonOf(cause)}.`,
      left: 'An operation that was started goes on as soon as server and worker can.',
      next: 'See whether the server runs and knows the search attributes (docs/temporal.md); then ask again, or attach with `redisforge ops watch`.',
    },
    { cause: error },
  );
}

/** In the server's words, without a full stop of its own. */
function reasonOf(error: unknown): string {
  const text = isGrpcServiceError(error) ? error.details : error instanceof Error ? error.message : String(error);
  return text.replace(/\.$/, '');
}

/** Refuses where nobody would do the work: an operation would sit there without a sign of life. */
export async function requireWorker({ client, namespace, address }: TemporalLink): Promise<void> {
  const answer = await client.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: TASK_QUEUE },
    taskQueueType: WORKFLOW_TASKS,
  });
  const recent = Date.now() - POLLER_IS_ALIVE_MS;
  const alive = (answer.pollers ?? []).some(
    ({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 > recent,
  );
  if (alive) return;
  throw new ForgeError('NoWorker', {
    what: `No worker listens on task queue ${TASK_QUEUE} of ${address} (namespace ${namespace}).`,
    left: 'Nothing was started or changed.',
    next: 'Start one with `redisforge worker` (or `redisforge dev` for server and worker together).',
  });
}

/** `TASK_QUEUE_TYPE_WORKFLOW` of Temporal's API. */
const WORKFLOW_TASKS = 1;

/** A worker's poll lasts up to a minute, and the server notes it when it begins. */
const POLLER_IS_ALIVE_MS = 75_000;
