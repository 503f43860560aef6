import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError, WorkflowFailedError, WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import { ForgeError } from '../domain/errors.js';
import { operationWorkflowId } from '../domain/ids.js';
import type { Ticket } from '../domain/queue.js';
import type { CliIo } from './io.js';
import { ClusterHeld, holderOf, holderText } from './operations.js';
import { Place } from './queue.js';
import { renderWaiting, type Situation, ticketText } from './render/waiting.js';
import type { TemporalLink } from './temporal.js';

/** How often one who is not the first asks how things are. */
const LOOK_EVERY_MS = 1_000;

export interface TurnRequest {
  readonly io: CliIo;
  readonly link: TemporalLink;
  readonly cluster: string;
  readonly who: Pick<Ticket, 'operation' | 'actor' | 'reason'>;
  readonly waitMs: number;
  readonly format: 'text' | 'json';
}

/** The person left the queue (Ctrl-C): nothing was begun. */
export const LEFT = Symbol('left the queue');

/**
 * Waits until all who came before have had their turn and no operation of the cluster runs, then lets `act` look at the world and start one.
 * Where somebody who did not wait was quicker, it waits on and `act` looks again. Throws ForgeError Locked, with who holds it, when the time is up.
 */
export async function inTurn<T>(request: TurnRequest, act: () => Promise<T>): Promise<T | typeof LEFT> {
  const deadline = Date.now() + request.waitMs;
  const place = new Place(request.link, request.cluster, request.who);
  try {
    for (;;) {
      if ((await awaitTurn(request, place, deadline)) === LEFT) return LEFT;
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof ClusterHeld)) throw error;
      }
    }
  } finally {
    await place.leave();
  }
}

async function awaitTurn(request: TurnRequest, place: Place, deadline: number): Promise<typeof LEFT | undefined> {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  process.once('SIGINT', leave);
  process.once('SIGTERM', leave);
  const teller = new Teller(request);
  try {
    for (;;) {
      const situation = await look(request, place);
      if (situation?.ahead.length === 0 && situation.holder === null) return undefined;
      teller.tell(situation);
      if (Date.now() >= deadline) throw inVain(request, situation);
      const signal = AbortSignal.any([leaving.signal, AbortSignal.timeout(Math.max(1, deadline - Date.now()))]);
      await change(request, situation, signal);
      if (leaving.signal.aborted) return LEFT;
    }
  } finally {
    process.off('SIGINT', leave);
    process.off('SIGTERM', leave);
  }
}

/** `undefined` where Temporal or its workers do not answer at the moment: one who waits goes on waiting. */
async function look({ link, cluster }: TurnRequest, place: Place): Promise<Situation | undefined> {
  try {
    const ahead = await place.ahead();
    return { ahead, holder: await holderOf(link, cluster) };
  } catch (error) {
    if (isSilence(error)) return undefined;
    throw error;
  }
}

/** The first in the queue hears of the end of the operation that runs; the others look again after a while. */
async function change(
  { link, cluster }: TurnRequest,
  situation: Situation | undefined,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (situation?.ahead.length === 0 && situation.holder !== null) {
      const { runId } = situation.holder;
      const running = link.client.workflow.getHandle(operationWorkflowId(cluster), runId);
      await link.client.withAbortSignal(signal, () => running.result());
    } else {
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
  } catch (error) {
    // However it ended, it has ended.
    if (!signal.aborted && !(error instanceof WorkflowFailedError) && !isSilence(error)) throw error;
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof ServiceError || error instanceof WorkflowUpdateRPCTimeoutOrCancelledError;
}

function inVain({ cluster, waitMs }: TurnRequest, situation: Situation | undefined): ForgeError {
  const waited = `Waited ${waitMs / 1000} s for cluster ${cluster} in vain`;
  const left = 'Nothing was started or changed.';
  if (situation === undefined) {
    return new ForgeError('NoWorker', {
      what: `${waited}: Temporal or its workers do not answer.`,
      left,
      next: 'Look at the worker (`redisforge worker`) and at Temporal, then run the same command again.',
    });
  }
  const { ahead, holder } = situation;
  const [first] = ahead;
  const reasons = [
    ...(holder === null ? [] : [`it is being worked on: ${holderText(holder)}`]),
    ...(first === undefined
      ? []
      : [`${ahead.length} who came before ${ahead.length === 1 ? 'waits' : 'wait'}, first ${ticketText(first)}`]),
  ];
  return new ForgeError('Locked', {
    what: `${waited}: ${reasons.join('; ')}.`,
    left,
    next: `Wait longer with --wait-for, or follow what runs with \`redisforge ops watch ${cluster}\`.`,
  });
}

/** Says where in the queue one is: when that has changed. */
class Teller {
  private told = '';

  constructor(private readonly request: TurnRequest) {}

  tell(situation: Situation | undefined): void {
    const { io, cluster, format } = this.request;
    const now = JSON.stringify(situation ?? null);
    if (now === this.told) return;
    this.told = now;
    for (const line of renderWaiting(cluster, situation, io)) io.err(line);
    if (format === 'json') io.out(JSON.stringify({ waiting: situation ?? null }));
  }
}
