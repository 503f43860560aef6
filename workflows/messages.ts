import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { PauseRequest, Progress } from '../domain/operation.js';
import type { Ticket } from '../domain/queue.js';

/** How far the operation is: small, pure, answered by any worker. */
export const progressQuery = defineQuery<Progress>('progress');

/** Stop before the next step and wait. Refused where it stands already, or where no step is left to stop before. */
export const pauseUpdate = defineUpdate<Progress, [PauseRequest]>('pause');

/** Go on after a pause. */
export const resumeUpdate = defineUpdate<Progress, [{ readonly actor: string }]>('resume');

/** Take a place at the end of the queue of a cluster; answers with all who wait, in order. */
export const takeTicketUpdate = defineUpdate<readonly Ticket[], [Omit<Ticket, 'since'>]>('takeTicket');

/** I am still waiting. By the ticket's ID; one that has lapsed stays lapsed. */
export const renewTicketSignal = defineSignal<[string]>('renewTicket');

/** I do not wait any more. By the ticket's ID. */
export const leaveQueueSignal = defineSignal<[string]>('leaveQueue');

/** All who wait, in order. */
export const queueQuery = defineQuery<readonly Ticket[]>('queue');
