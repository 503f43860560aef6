import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ForgeError } from '../domain/errors.js';
import { queueWorkflowId, TASK_QUEUE } from '../domain/ids.js';
import { aheadOf, type Ticket } from '../domain/queue.js';
import { namedFailure } from '../workflows/failures.js';
import type { clusterQueueWorkflow } from '../workflows/index.js';
import { leaveQueueSignal, queueQuery, renewTicketSignal, takeTicketUpdate } from '../workflows/messages.js';
import type { TemporalLink } from './temporal.js';

/** One who waits and is not heard of for so long is skipped. */
const TICKET_LIFE_MS = 30_000;
/** Two renewals may be lost. */
const RENEW_EVERY_MS = TICKET_LIFE_MS / 3;
/** A worker that lives answers within milliseconds. */
const ANSWER_TIMEOUT_MS = 5_000;

/** A place among those who wait for a cluster, held for as long as this process lives and does not leave. */
export class Place {
  private readonly id = randomUUID();
  private pulse: NodeJS.Timeout | undefined;
  private lost = true;

  constructor(
    private readonly link: TemporalLink,
    private readonly cluster: string,
    private readonly who: Pick<Ticket, 'operation' | 'actor' | 'reason'>,
  ) {}

  /**
   * Those whose turn comes before. Takes a place at the end where it has none, or has lost it. Throws ForgeError Locked where the queue is full,
   * and what the client throws where no worker answers in time.
   */
  async ahead(): Promise<readonly Ticket[]> {
    return (this.lost ? null : aheadOf(await this.tickets(), this.id)) ?? (await this.take());
  }

  /** Gives the place up. Where that cannot be said, it lapses. */
  async leave(): Promise<void> {
    clearInterval(this.pulse);
    if (!this.lost) await this.queue.signal(leaveQueueSignal, this.id).catch(() => undefined);
  }

  private async take(): Promise<readonly Ticket[]> {
    const { id, who, cluster } = this;
    const startWorkflowOperation = new WithStartWorkflowOperation<typeof clusterQueueWorkflow>('clusterQueueWorkflow', {
      workflowId: queueWorkflowId(cluster),
      taskQueue: TASK_QUEUE,
      args: [{ cluster, ticketLifeMs: TICKET_LIFE_MS, queue: [] }],
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `who waits for ${cluster}, in order of arrival`,
    });
    const args: [typeof who & { id: string }] = [{ id, ...who }];
    try {
      const tickets = await this.inTime(() =>
        this.link.client.workflow.executeUpdateWithStart(takeTicketUpdate, { args, startWorkflowOperation }),
      );
      this.lost = false;
      // It keeps no process alive that has nothing else to do.
      this.pulse ??= setInterval(() => void this.renew(), RENEW_EVERY_MS).unref();
      return aheadOf(tickets, id) ?? [];
    } catch (error) {
      const named = error instanceof WorkflowUpdateFailedError ? namedFailure(error.cause) : undefined;
      throw named === undefined ? error : new ForgeError(named.type, named.text);
    }
  }

  private tickets(): Promise<readonly Ticket[]> {
    return this.inTime(() => this.queue.query(queueQuery));
  }

  /** Where it fails, the next one may get through. A queue that is gone, ended by hand, would still be answered for. */
  private async renew(): Promise<void> {
    try {
      await this.queue.signal(renewTicketSignal, this.id);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) this.lost = true;
    }
  }

  private inTime<T>(ask: () => Promise<T>): Promise<T> {
    return this.link.client.withAbortSignal(AbortSignal.timeout(ANSWER_TIMEOUT_MS), ask);
  }

  private get queue() {
    return this.link.client.workflow.getHandle<typeof clusterQueueWorkflow>(queueWorkflowId(this.cluster));
  }
}
