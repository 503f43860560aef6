import { Client, Connection } from '@temporalio/client';
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
    const client = new Client({ connection, namespace });
    return { client, namespace, address, close: () => connection.close() };
  } catch (error) {
    throw new ForgeError(
      'TemporalUnreachable',
      {
        what: `Temporal at ${address} (namespace ${namespace}) is not reachable: ${error instanceof Error ? error.message : String(error)}.`,
        left: 'Nothing was started or changed.',
        next: 'Start one with `redisforge dev`, or set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE) to yours.',
      },
      { cause: error },
    );
  }
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
