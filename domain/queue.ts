import type { OperationKind } from './plan.js';

/** Somebody who waits for a cluster, as all others who wait see them. */
export interface Ticket {
  /** Made by the one who waits. */
  readonly id: string;
  readonly operation: OperationKind;
  readonly actor: string;
  readonly reason: string;
  /** ISO 8601, by the clock of Temporal. */
  readonly since: string;
}

interface HeldTicket extends Ticket {
  /** Milliseconds since 1970. It is good until then, and longer where it is renewed: one who died while waiting stands in nobody's way. */
  readonly lapsesAt: number;
}

/** Those who wait for one cluster, in order of arrival. */
export type Queue = readonly HeldTicket[];

/** More than people could mean; a script that has gone wild is told so instead of filling a history. */
export const MOST_WAITING = 100;

/** A ticket at the end of the queue. One that was taken already keeps its place; a full queue stays as it is. */
export function withTicket(queue: Queue, ticket: HeldTicket): Queue {
  if (queue.some(({ id }) => id === ticket.id)) return renewed(queue, ticket.id, ticket.lapsesAt);
  return isFull(queue) ? queue : [...queue, ticket];
}

export function isFull(queue: Queue): boolean {
  return queue.length >= MOST_WAITING;
}

/** The ticket is good for longer; its place stays. One that is not in the queue any more does not come back by this. */
export function renewed(queue: Queue, id: string, lapsesAt: number): Queue {
  return queue.map((ticket) => (ticket.id === id ? { ...ticket, lapsesAt } : ticket));
}

export function withoutTicket(queue: Queue, id: string): Queue {
  return queue.filter((ticket) => ticket.id !== id);
}

export function withoutLapsed(queue: Queue, nowMs: number): Queue {
  return queue.filter(({ lapsesAt }) => lapsesAt > nowMs);
}

/** When the next ticket lapses unless it is renewed, in milliseconds since 1970; `null` where nobody waits. */
export function nextLapse(queue: Queue): number | null {
  return queue.length === 0 ? null : Math.min(...queue.map(({ lapsesAt }) => lapsesAt));
}

/** Those whose turn is before that of this ticket; `null` where it is not in the queue. */
export function aheadOf(tickets: readonly Ticket[], id: string): readonly Ticket[] | null {
  const place = tickets.findIndex((ticket) => ticket.id === id);
  return place === -1 ? null : tickets.slice(0, place);
}
