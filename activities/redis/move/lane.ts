import { setTimeout as sleep } from 'node:timers/promises';
import { cutGroup, type SlotKeys } from '../../../domain/move-groups.js';
import { type Group, handOver, openGroup, sendLoad } from './group.js';
import type { Load } from './key-queue.js';
import type { MoveWork, Transfer } from './mover.js';
import { type KeyRate, LoadSize } from './pace.js';
import { countKeys, lookAtPair, type Pair } from './pair.js';
import { MoveTrouble } from './trouble.js';

/** Loads on their way to one source: one that it works on, and one that waits in its buffer, so that it is never without. */
const LOADS_AT_ONCE = 2;

/** MIGRATEs of one load. A target that hangs holds its source for as long as all of them time out. */
const PARTS = 8;

/** Slots that are counted ahead of the groups that are cut from them. */
const COUNTED_AHEAD = 256;

/** Between tries of what may pass. */
const AGAIN_MS = 50;
const AGAIN_AT_MOST_MS = 1000;

export interface LaneRequest {
  readonly transfer: Transfer;
  readonly work: MoveWork;
  readonly rate: KeyRate;
  /** Whether nothing new is to be begun. */
  readonly stopping: () => boolean;
  readonly moved: (done: { readonly slots: number; readonly keys: number }) => void;
  /** As long as it waits for what may pass, in milliseconds, from the last key that went. */
  readonly patienceMs: number;
}

/**
 * Moves the slots of one transfer, group by group. While the keys of a group go, the next one is opened and the one before is handed over, so that the source
 * is never without work; whatever was opened is finished: a slot that its source gives away may have got keys at its target, and closing it would hide them.
 */
export class Lane {
  readonly #size = new LoadSize();
  #pair: Pair = { handedOver: [], waiting: [], misled: new Set() };
  #counted: SlotKeys[] = [];
  #next = 0;

  constructor(private readonly request: LaneRequest) {}

  /** @throws MoveTrouble; ForgeError Fenced */
  async run(): Promise<void> {
    const { transfer, work } = this.request;
    this.#pair = await lookAtPair(transfer, work.nodes);
    await this.#handOver(this.#pair.handedOver);
    const ahead = new Ahead(() => this.#open());
    let handing = Promise.resolve();
    try {
      for (;;) {
        const group = await ahead.next();
        if (group === null) break;
        await this.#moveKeys(group);
        await handing;
        handing = this.#handOver(group.slots.map(({ slot }) => slot));
        handing.catch(() => undefined);
      }
      await handing;
    } finally {
      await Promise.allSettled([ahead.settled(), handing]);
    }
  }

  /** The next group, opened; `null` where there is none, or nothing new is to be begun. */
  async #open(): Promise<Group | null> {
    if (this.request.stopping()) return null;
    const { transfer, work } = this.request;
    await this.#count();
    const slots = cutGroup(this.#counted, { keysPerSecond: this.#size.keysPerSecond });
    if (slots.length === 0) return null;
    this.#counted = this.#counted.slice(slots.length);
    return openGroup({ transfer, work, slots, misled: this.#pair.misled });
  }

  async #count(): Promise<void> {
    const { waiting } = this.#pair;
    if (this.#counted.length >= COUNTED_AHEAD / 2 || this.#next >= waiting.length) return;
    const { transfer, work } = this.request;
    const some = waiting.slice(this.#next, this.#next + COUNTED_AHEAD);
    this.#next += some.length;
    this.#counted = [...this.#counted, ...(await countKeys(transfer.from.name, some, work.nodes))];
  }

  async #moveKeys(group: Group): Promise<void> {
    const sent: Promise<void>[] = [];
    const patience = new Patience(this.request.patienceMs);
    let repliedAt = 0;
    const send = async (load: Load) => {
      const sentAt = performance.now();
      await sendLoad({ ...this.request, queue: group.queue, load, migrateMs: this.#migrateMs });
      const now = performance.now();
      this.#size.took({ keys: load.keys, ms: now - Math.max(sentAt, repliedAt) });
      repliedAt = now;
      this.request.moved({ slots: 0, keys: load.keys });
      patience.renew();
    };
    while (!group.queue.done || sent.length > 0) {
      const load = sent.length < LOADS_AT_ONCE ? this.#nextLoad(group) : null;
      if (load !== null) {
        await this.request.rate.take(load.keys);
        sent.push(send(load));
        continue;
      }
      const outcomes = await Promise.allSettled(sent.splice(0, 1));
      for (const outcome of outcomes) if (outcome.status === 'rejected') await patience.bear(outcome.reason);
    }
  }

  #nextLoad({ queue }: Group): Load | null {
    return queue.next({ keys: Math.min(this.#size.keys, this.request.rate.mostKeys), parts: PARTS });
  }

  async #handOver(slots: readonly number[]): Promise<void> {
    await handOver({ ...this.request, slots });
    this.request.moved({ slots: slots.length, keys: 0 });
  }

  /** All MIGRATEs of a load together hold the source for less than what the others need to take it for dead. */
  get #migrateMs(): number {
    return Math.max(1, Math.floor(this.request.work.nodeTimeoutMs / 2 / PARTS));
  }
}

/** Makes the next one while the last one is used. */
class Ahead<T> {
  #making: Promise<T> | undefined;

  constructor(private readonly make: () => Promise<T>) {}

  async next(): Promise<T> {
    const made = await (this.#making ?? this.make());
    this.#making = this.make();
    this.#making.catch(() => undefined);
    return made;
  }

  async settled(): Promise<void> {
    await this.#making;
  }
}

/** Bears with what may pass, for so long. */
class Patience {
  #until: number;
  #waitMs = AGAIN_MS;

  constructor(private readonly forMs: number) {
    this.#until = performance.now() + forMs;
  }

  renew(): void {
    this.#until = performance.now() + this.forMs;
    this.#waitMs = AGAIN_MS;
  }

  /** Waits a little, where the trouble may pass. @throws what it was given where it does not, or did not */
  async bear(trouble: unknown): Promise<void> {
    const mayPass = trouble instanceof MoveTrouble && trouble.text.trouble === 'passes';
    if (!mayPass || performance.now() > this.#until) throw trouble;
    await sleep(this.#waitMs);
    this.#waitMs = Math.min(AGAIN_AT_MOST_MS, this.#waitMs * 2);
  }
}
