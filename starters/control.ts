import { hostname } from 'node:os';
import {
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ForgeError } from '../domain/errors.js';
import type { Progress } from '../domain/operation.js';
import { namedFailure } from '../workflows/failures.js';
import type { applyClusterWorkflow } from '../workflows/index.js';
import { pauseUpdate, resumeUpdate } from '../workflows/messages.js';
import { actorName } from './operations.js';
import { requireWorker, type TemporalLink } from './temporal.js';

/** A running operation, as somebody reaches for it who wants to hold it, let it go on, or stop it. */
export interface Controls {
  readonly link: TemporalLink;
  readonly env: NodeJS.ProcessEnv;
  readonly cluster: string;
  readonly handle: WorkflowHandle<typeof applyClusterWorkflow>;
}

/** A worker that lives answers within milliseconds. */
const ANSWER_TIMEOUT_MS = 15_000;

/** Asks to stop at the next safe point; the ID of the run that was asked. Throws ForgeError Refused where none is running. */
export async function cancelRun(controls: Controls): Promise<string> {
  const runId = await requireRunning(controls);
  await controls.handle.cancel();
  return runId;
}

/** Asks to stand before the next step. Throws ForgeError Refused where that cannot be had. */
export async function pauseRun(controls: Controls, reason: string): Promise<Progress> {
  const actor = actorName(controls.env, hostname());
  return answered(controls, () => controls.handle.executeUpdate(pauseUpdate, { args: [{ actor, reason }] }));
}

/** Lets a paused operation go on. Throws ForgeError Refused where it is not paused. */
export async function resumeRun(controls: Controls): Promise<Progress> {
  const actor = actorName(controls.env, hostname());
  return answered(controls, () => controls.handle.executeUpdate(resumeUpdate, { args: [{ actor }] }));
}

async function requireRunning(controls: Controls): Promise<string> {
  const { status, runId } = await controls.handle.describe();
  if (status.name !== 'RUNNING')
    throw notRunning(controls, `the latest (run ${runId}) is ${status.name.toLowerCase()}`);
  return runId;
}

/** A run is answered for by a worker: without one, or after its end, this says so instead of waiting. */
async function answered(controls: Controls, update: () => Promise<Progress>): Promise<Progress> {
  const { link, cluster } = controls;
  await requireRunning(controls);
  await requireWorker(link);
  try {
    return await link.client.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, update);
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) throw refusalBehind(error);
    if (error instanceof WorkflowNotFoundError) throw notRunning(controls, 'the latest has just ended');
    if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
    throw new ForgeError('NotReached', {
      what: `No worker answered for the operation of ${cluster} within ${ANSWER_TIMEOUT_MS / 1000} s.`,
      left: 'The request stays with Temporal; the next worker that comes may still take it.',
      next: `See with \`redisforge ops show ${cluster}\` what came of it.`,
    });
  }
}

function refusalBehind(error: WorkflowUpdateFailedError): Error {
  const named = namedFailure(error.cause);
  return named === undefined ? error : new ForgeError(named.type, named.text);
}

function notRunning({ cluster }: Controls, why: string): ForgeError {
  return new ForgeError('Refused', {
    what: `No operation of ${cluster} is running: ${why}.`,
    left: '',
    next: `See \`redisforge ops list ${cluster}\`.`,
  });
}
