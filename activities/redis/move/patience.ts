import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterSpec } from '../../../domain/spec.js';
import { MoveTrouble } from './trouble.js';

/** Between tries of what may pass. */
const AGAIN_MS = 50;
const AGAIN_AT_MOST_MS = 1000;

/** A node that is not seen as it is by the others may take so many node timeouts to be, and to be failed over. */
const NODE_TIMEOUTS = 3;

/** How long trouble among the nodes may last, milliseconds. */
export function patienceOf({ redis }: Pick<ClusterSpec, 'redis'>): number {
  return NODE_TIMEOUTS * redis.nodeTimeoutMs;
}

/** Bears with what may pass, for so long from the last time that something went well. */
export class Patience {
  #until: number;
  #waitMs = AGAIN_MS;

  constructor(private readonly forMs: number) {
    this.#until = performance.now() + forMs;
  }

  /** Something went well. */
  renew(): void {
    this.#until = performance.now() + this.forMs;
    this.#waitMs = AGAIN_MS;
  }

  /** Waits for all of these, and a little longer where one failed in a way that may pass. @throws what failed otherwise, or for too long */
  async bearAll(works: readonly Promise<void>[]): Promise<void> {
    for (const outcome of await Promise.allSettled(works)) {
      if (outcome.status === 'rejected') await this.bear(outcome.reason);
    }
  }

  /** @throws what it is given where that does not pass, or did not in time */
  async bear(trouble: unknown): Promise<void> {
    const mayPass = trouble instanceof MoveTrouble && trouble.text.trouble === 'passes';
    if (!mayPass || performance.now() > this.#until) throw trouble;
    await sleep(this.#waitMs);
    this.#waitMs = Math.min(AGAIN_AT_MOST_MS, this.#waitMs * 2);
  }
}
