import type { OperationReport } from '../../domain/operation.js';
import type { Stalls } from './stalls.js';

/** One move of slots, in milliseconds. */
export interface Moved {
  /** As long as a person waits. */
  readonly totalMs: number;
  /** The move alone. */
  readonly moveMs: number;
  /** What the rest of ours is. */
  readonly rest?: Rest;
  /** What a client saw of the moving slots during the move alone, and errors of all clients; where there was load. */
  readonly clients?: Stalls;
}

export interface Rest {
  /** The CLI's start, its survey and plan, until Temporal has begun. */
  readonly planMs: number;
  /** The operation's own survey, leases and pins. */
  readonly beforeMs: number;
  /** The proof (two looks, a node timeout apart) and what was pinned let go. */
  readonly proofMs: number;
}

/** When the move alone ran, in milliseconds since 1970. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export function moveSpan({ steps }: OperationReport): Span {
  const { startedAt, endedAt } = steps.find(({ id }) => id === 'moveSlots') ?? {};
  if (startedAt === undefined || endedAt === undefined) throw new Error('nothing was moved');
  return { from: Date.parse(startedAt), to: Date.parse(endedAt) };
}

export function bestOf(moved: readonly Moved[]): Moved {
  const [best] = [...moved].sort((a, b) => a.moveMs - b.moveMs);
  if (best === undefined) throw new Error('nothing was moved');
  return best;
}

export function words({ totalMs, moveMs, rest, clients }: Moved): string {
  const parts = [moveMs === totalMs ? `${totalMs} ms` : `${moveMs} ms of ${totalMs}`];
  if (rest !== undefined) parts.push(`plan ${rest.planMs}, before ${rest.beforeMs}, proof ${rest.proofMs}`);
  if (clients !== undefined)
    parts.push(`clients p50 ${clients.p50} p99 ${clients.p99} max ${clients.max} ms, ${clients.errors} errors`);
  return parts.join('; ');
}
