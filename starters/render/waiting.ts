import type { Ticket } from '../../domain/queue.js';
import type { CliIo } from '../io.js';
import { type Holder, holderText } from '../operations.js';

/** What stands before one who waits for a cluster. */
export interface Situation {
  readonly ahead: readonly Ticket[];
  /** The operation that runs now. */
  readonly holder: Holder | null;
}

/** Where somebody stands who waits; `undefined` where nobody answers. */
export function renderWaiting(
  cluster: string,
  situation: Situation | undefined,
  { colors }: Pick<CliIo, 'colors'>,
): string[] {
  if (situation === undefined) return [`  ${colors.yellow('no worker answers at the moment')}; waiting on`];
  const { ahead, holder } = situation;
  return [
    `waiting for ${cluster}: ${ahead.length === 0 ? 'next in line' : `${ahead.length} ahead`}`,
    ...(holder === null ? [] : [`  runs     ${holderText(holder)}`]),
    ...ahead.map((ticket) => `  ahead    ${ticketText(ticket)}`),
  ];
}

export function ticketText({ operation, actor, since, reason }: Ticket): string {
  return `${operation} by ${actor} since ${since}: ${reason || 'no reason given'}`;
}
