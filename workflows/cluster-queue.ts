import { condition, continueAsNew, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import {
  isFull,
  MOST_WAITING,
  nextLapse,
  type Queue,
  renewed,
  type Ticket,
  withoutLapsed,
  withoutTicket,
  withTicket,
} from '../domain/queue.js';
import { failure } from './failures.js';
import { now } from './logbook.js';
import { leaveQueueSignal, queueQuery, renewTicketSignal, takeTicketUpdate } from './messages.js';

export interface QueueInput {
  readonly cluster: string;
  /** How long a ticket is good without being renewed. */
  readonly ticketLifeMs: number;
  /** Carried from the run before. */
  readonly queue: Queue;
}

/** Renewals are events; so many are replayed in a quarter of a second. */
const MOST_EVENTS = 1000;

/**
 * Who waits for a cluster, in order of arrival. It starts nothing and locks nothing: the first in it starts its operation under the cluster's
 * fixed workflow ID, and leaves. Ends when nobody waits any more; the next who has to wait starts it again.
 */
export async function clusterQueueWorkflow({ cluster, ticketLifeMs, queue: carried }: QueueInput): Promise<void> {
  let queue = carried;
  const become = (next: Queue): void => {
    queue = next;
    setCurrentDetails(details(cluster, queue));
  };
  const lapse = () => Date.now() + ticketLifeMs;
  setHandler(
    takeTicketUpdate,
    (ticket) => {
      become(withTicket(withoutLapsed(queue, Date.now()), { ...ticket, since: now(), lapsesAt: lapse() }));
      return queue.map(shown);
    },
    {
      validator: (ticket: Partial<Ticket>) => {
        refuseNameless(ticket);
        refuseFull(cluster, withoutLapsed(queue, Date.now()));
      },
      description: 'Take a place at the end: {id, operation, actor, reason}.',
    },
  );
  setHandler(renewTicketSignal, (id) => become(renewed(queue, id, lapse())), {
    description: 'Still waiting: ticket ID.',
  });
  setHandler(leaveQueueSignal, (id) => become(withoutTicket(queue, id)), {
    description: 'Not waiting any more: ticket ID.',
  });
  setHandler(queueQuery, () => queue.map(shown), { description: 'All who wait, in order.' });

  // Who starts the queue takes the first ticket, a moment later.
  await condition(() => queue.length > 0, ticketLifeMs);
  const outgrown = () => workflowInfo().historyLength >= MOST_EVENTS;
  for (let lapses = nextLapse(queue); lapses !== null; lapses = nextLapse(queue)) {
    await condition(() => queue.length === 0 || outgrown(), Math.max(1, lapses - Date.now()));
    become(withoutLapsed(queue, Date.now()));
    if (outgrown()) await continueAsNew<typeof clusterQueueWorkflow>({ cluster, ticketLifeMs, queue });
  }
}

function shown({ id, operation, actor, reason, since }: Ticket): Ticket {
  return { id, operation, actor, reason, since };
}

function details(cluster: string, queue: Queue): string {
  const lines = queue.map(
    ({ operation, actor, reason, since }, i) =>
      `${i + 1}. ${operation} by ${actor} since ${since}: ${reason || 'no reason given'}`,
  );
  return [`**Waiting for ${cluster}**, in this order`, '', ...lines].join('\n');
}

function refuseNameless({ id, operation, actor, reason }: Partial<Ticket>): void {
  if ([id, operation, actor, reason].every((text) => typeof text === 'string') && id !== '') return;
  throw failure('Refused', {
    what: 'The ticket does not say who waits for what.',
    left: 'The queue stays as it is.',
    next: 'Send {id, operation, actor, reason}.',
  });
}

function refuseFull(cluster: string, queue: Queue): void {
  if (!isFull(queue)) return;
  throw failure('Locked', {
    what: `${MOST_WAITING} are waiting for cluster ${cluster} already, the first of them ${queue[0]?.actor ?? 'somebody'} since ${queue[0]?.since ?? 'long ago'}.`,
    left: 'Nothing was started or changed.',
    next: `See who works on it with \`redisforge ops watch ${cluster}\`, and try again later.`,
  });
}
