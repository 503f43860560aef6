import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type ActivityInterceptorsFactory, Runtime, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createActivities } from '../activities/index.js';
import { hostHelper } from '../activities/hosts/helper.js';
import { createServerActivities } from '../activities/server.js';
import { createSshPool } from '../activities/ssh/pool.js';
import { createSecretResolver } from '../config/secrets.js';
import { ForgeError } from '../domain/errors.js';
import { TASK_QUEUE } from '../domain/ids.js';
import { connectWorker } from './connection.js';
import { activityInterceptors } from './interceptors.js';
import { temporalLogger } from './log.js';
import { ensureSearchAttributes } from './search-attributes.js';

export interface WorkerOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  /** Called once when the worker is about to take work. */
  readonly ready?: () => Promise<void>;
  /** Further wraps around every activity, outermost last; tests put their failpoints here. */
  readonly interceptors?: readonly ActivityInterceptorsFactory[];
}

/**
 * Composes a worker and runs it until SIGINT or SIGTERM. Then it takes nothing new, gives running activities half a minute to come to their
 * end, and leaves; what it could not finish another worker does.
 */
export async function runWorker({ env, log, ready, interceptors = [] }: WorkerOptions): Promise<void> {
  Runtime.install({
    logger: temporalLogger(log),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'WARN' } } },
  });
  const { connection, namespace, address, server } = await connectWorker(env);
  const machine = hostname();
  const ssh = createSshPool({ agentSocket: env['SSH_AUTH_SOCK'] });
  try {
    await ensureSearchAttributes({ connection, namespace });
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue: TASK_QUEUE,
      identity: `${machine}/${process.pid}`,
      workflowBundle: { codePath: workflowBundlePath() },
      activities: {
        ...createActivities({ ssh, secrets: createSecretResolver({ env, machine }), helper: hostHelper() }),
        ...createServerActivities({ server }),
      },
      interceptors: { activity: [...activityInterceptors, ...interceptors] },
      // How long the workflows of a dead worker pause before another takes them over; 10 s by default.
      stickyQueueScheduleToStartTimeout: '1s',
      maxCachedWorkflows: 200,
      maxHeartbeatThrottleInterval: '2s',
      shutdownGraceTime: '30s',
      shutdownForceTime: '60s',
    });
    log.info({ address, namespace, taskQueue: TASK_QUEUE, server }, 'worker is ready');
    await ready?.();
    await worker.run();
    log.info('worker has ended in order');
  } finally {
    await ssh.close();
    await connection.close();
  }
}

/** The bundle is made by the build; a worker that made its own at start could differ from what was tested. */
function workflowBundlePath(): string {
  const path = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  if (existsSync(path)) return path;
  throw new ForgeError('Refused', {
    what: `The workflow bundle ${path} is missing.`,
    left: 'The worker did not start.',
    next: 'Run `make build`.',
  });
}
