import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/index.js';
import { type AllHostsActivities, createAllHostsActivities, type OnOneHost } from '../../activities/hosts/all-hosts.js';
import { operationWorkflowId } from '../../domain/ids.js';
import type { OperationInput } from '../../domain/operation.js';
import { activityInterceptors } from '../../workers/interceptors.js';
import type * as workflows from '../../workflows/index.js';
import type { applyClusterWorkflow } from '../../workflows/index.js';
import { keepHistory } from './histories.js';
import { specOf } from './spec.js';

/** The activities that a script answers; those that it leaves out must not be called. */
export type Script = Partial<Activities>;

/** What a worker says when a workflow fails is expected here; what goes wrong with the worker itself is not. */
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { forward: {}, filter: { core: 'ERROR', other: 'ERROR' } } },
});

/** Histories are kept: they name no machine. */
const IDENTITY = 'scripted';

let bundle: Promise<{ code: string }> | undefined;

/** The workflows of the tree, bundled once a test file. */
export function workflowBundle(): Promise<{ code: string }> {
  bundle ??= bundleWorkflowCode({
    workflowsPath: new URL('../../workflows/index.ts', import.meta.url).pathname,
    logger: new DefaultLogger('ERROR'),
  });
  return bundle;
}

/** Every workflow that is an operation. */
export type OperationWorkflow = Exclude<keyof typeof workflows, 'clusterQueueWorkflow' | 'latencyProbeWorkflow'>;

export interface ScriptedRun {
  readonly handle: WorkflowHandle<typeof applyClusterWorkflow>;
  readonly client: Client;
}

/**
 * Runs a workflow of ours on the real server, with the product's own interceptors, and activities that follow a script: what is tested is
 * the order of things and what becomes of failures, not what the activities do.
 */
export async function runScripted<T>(
  {
    address,
    cluster,
    workflow,
    script,
    input = {},
  }: {
    address: string;
    cluster: string;
    workflow: OperationWorkflow;
    script: Script;
    input?: Partial<OperationInput>;
  },
  use: (run: ScriptedRun) => Promise<T>,
): Promise<T> {
  return withScriptedWorker({ address, taskQueue: cluster, script }, async (client) => {
    const handle = await client.workflow.start<typeof applyClusterWorkflow>(workflow, {
      workflowId: operationWorkflowId(cluster),
      taskQueue: cluster,
      args: [
        { spec: specOf({ name: cluster }), planDigest: 'shown', actor: 'tester@here', reason: 'to see', ...input },
      ],
    });
    const result = await use({ handle, client });
    await keepHistory(handle, workflow);
    return result;
  });
}

/** What is done on all hosts at once, by the product's own way of doing it: the script answers for each host. */
function allHostsOf(script: Script): AllHostsActivities {
  const scripted = <N extends keyof OnOneHost>(name: N): OnOneHost[N] => {
    const answer = script[name];
    if (answer !== undefined) return answer;
    return () => Promise.reject(new Error(`${name} is not in the script`));
  };
  return createAllHostsActivities({
    surveyHost: scripted('surveyHost'),
    takeLease: scripted('takeLease'),
    releaseLease: scripted('releaseLease'),
    recordIdentities: scripted('recordIdentities'),
  });
}

/** A worker with all workflows of the tree for as long as `use` takes. */
export async function withScriptedWorker<T>(
  { address, taskQueue, script = {} }: { address: string; taskQueue: string; script?: Script },
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const [native, connection] = await Promise.all([
    NativeConnection.connect({ address }),
    Connection.connect({ address }),
  ]);
  try {
    const worker = await Worker.create({
      connection: native,
      identity: IDENTITY,
      taskQueue,
      workflowBundle: await workflowBundle(),
      activities: { ...allHostsOf(script), ...script },
      interceptors: { activity: [...activityInterceptors] },
    });
    const client = new Client({ connection, identity: IDENTITY });
    return await worker.runUntil(() => use(client));
  } finally {
    await connection.close();
    await native.close();
  }
}
