import { bigKeyPlan } from '../../../domain/move-big-keys.js';
import { cutGroup } from '../../../domain/move-groups.js';
import { afterLoad, boundsOf, keysPerSecond, UNKNOWN_SPEED } from '../../../domain/move-loads.js';
import type { Command } from '../connection.js';
import { Ahead } from './ahead.js';
import { closeUntouched, type Group, handOver, letHear, openGroup, sendLoad } from './group.js';
import type { Load } from './key-queue.js';
import { KeySizes, keysOfNode, type Listed, listKeys } from './listing.js';
import type { MoveWork, Transfer } from './mover.js';
import type { LongerTimeout } from './node-timeout.js';
import type { MovePace } from './pace.js';
import { lookAtPair } from './pair.js';
import { Patience } from './patience.js';
import type { Room } from './room.js';
import { MoveTrouble } from './trouble.js';
import { Waiting } from './waiting.js';

/** Loads on their way to one source: one that it works on, and one that waits in its buffer, so that it is never without. */
const LOADS_AT_ONCE = 2;

/** MIGRATEs of one load. A target that hangs holds its source for as long as all of them time out. */
const PARTS = 8;

export interface LaneRequest {
  readonly transfer: Transfer;
  readonly work: MoveWork;
  readonly pace: MovePace;
  /** Of the target. */
  readonly room: Room;
  readonly timeout: LongerTimeout;
  /** Whether nothing new is to be begun. */
  readonly stopping: () => boolean;
  readonly moved: (done: { readonly slots: number; readonly keys: number; readonly bytes: number }) => void;
}

/** What has been opened and is not handed over. */
interface Opened extends Group {
  readonly reserved: number;
}

/**
 * Moves the slots of one transfer, group by group. While the keys of a group go, the next one is opened, the one after it is looked at, and the one before is
 * handed over, so that the source is never without work. Whatever was opened is finished: a slot that its source gives away may have got keys at its
 * target, and closing it would hide them.
 */
export class Lane {
  #speed = UNKNOWN_SPEED;
  #repliedAt = 0;
  readonly #opened = new Set<Opened>();

  private constructor(
    private readonly request: LaneRequest,
    private readonly sizes: KeySizes,
    private readonly waiting: Waiting,
  ) {}

  /** @throws MoveTrouble; ForgeError Fenced */
  static async run(request: LaneRequest): Promise<void> {
    const { transfer, work } = request;
    const { from } = transfer;
    const pair = await lookAtPair(transfer, work.nodes);
    await letHear({ transfer, work, slots: pair.unheard });
    await handOver({ transfer, work, slots: pair.handedOver });
    request.moved({ slots: pair.handedOver.length, keys: 0, bytes: 0 });
    const sizes = new KeySizes(from.name, work.nodes, await keysOfNode(from.name, work.nodes), work.rules.bigKeyBytes);
    const waiting = new Waiting({ pair, node: from.name, nodes: work.nodes });
    await new Lane(request, sizes, waiting).#run(pair.misled);
    waiting.throwRefused(from.name, work.rules);
  }

  async #run(misled: ReadonlySet<number>): Promise<void> {
    const listed = new Ahead(() => this.#list());
    const opened = new Ahead(async () => this.#open(await listed.next(), misled));
    let handing = Promise.resolve();
    try {
      for (;;) {
        const group = await opened.next();
        if (group === null) break;
        await this.#moveKeys(group);
        await handing;
        handing = this.#handOver(group);
        handing.catch(() => undefined);
      }
      await handing;
    } catch (error) {
      await Promise.allSettled([opened.settled(), handing]);
      await this.#closeWhatCan(error);
      throw error;
    }
  }

  /** The keys of the next slots; `null` where there are none, or nothing new is to be begun. */
  async #list(): Promise<Listed[] | null> {
    const { transfer, work, stopping } = this.request;
    const next = await this.waiting.next(stopping());
    const perSecond = keysPerSecond(this.#speed, this.sizes.bytesPerKey);
    const { maxKeysPerSecond, targetP99Ms } = work.rules;
    const slots = cutGroup(next, {
      keysPerSecond: Math.min(perSecond, maxKeysPerSecond ?? perSecond),
      first: maxKeysPerSecond === null && targetP99Ms === null ? 'speed' : 'clients',
    });
    if (slots.length === 0) return null;
    const whole = work.rules.bigKeys === 'refuse' && this.sizes.areAsked;
    const listed = await listKeys({ node: transfer.from.name, nodes: work.nodes, slots, sizes: this.sizes, whole });
    return this.waiting.taken(listed, work.rules);
  }

  async #open(slots: Listed[] | null, misled: ReadonlySet<number>): Promise<Opened | null> {
    const { transfer, work, room, stopping } = this.request;
    if (slots === null || (stopping() && slots.some(({ slot }) => !this.waiting.isBegun(slot)))) return null;
    const bytes = slots.reduce((sum, { keys, named }) => {
      const known = named.reduce((all, key) => all + key.bytes, 0);
      return sum + known + Math.max(0, keys - named.length) * this.sizes.bytesPerKey;
    }, 0);
    await room.reserve(bytes);
    const opened = { ...(await openGroup({ transfer, work, slots, misled })), reserved: bytes };
    this.#opened.add(opened);
    return opened;
  }

  async #moveKeys(group: Group): Promise<void> {
    const { pace, work } = this.request;
    const patience = new Patience(work.nodeTimeoutMs);
    const sent: Promise<void>[] = [];
    try {
      while (!group.queue.done || sent.length > 0) {
        const load = sent.length < this.#loadsAtOnce ? this.#nextLoad(group) : null;
        if (load === null) await patience.bearAll(sent.splice(0, 1));
        else if (load.big) {
          await patience.bearAll(sent.splice(0));
          await patience.bearAll([this.#sendBig(group, load)]);
        } else {
          await pace.take(load.keys);
          const sending = this.#send(group, load).then(() => patience.renew());
          // It is waited for in its turn, and may fail before.
          sending.catch(() => undefined);
          sent.push(sending);
        }
      }
    } finally {
      await Promise.allSettled(sent);
    }
  }

  /** A source that is to rest between loads has none that waits: two of them together would keep its clients waiting for twice as long. */
  get #loadsAtOnce(): number {
    const { pace, work } = this.request;
    return pace.load.duty < 1 || work.rules.maxKeysPerSecond !== null ? 1 : LOADS_AT_ONCE;
  }

  #nextLoad({ queue }: Group): Load | null {
    const { pace } = this.request;
    const bounds = boundsOf(this.#speed, { ...pace.load, bytesPerKey: this.sizes.bytesPerKey });
    return queue.next({ ...bounds, keys: Math.min(bounds.keys, pace.mostKeys), parts: PARTS });
  }

  /** All MIGRATEs of a load together hold the source for less than what the others need to take it for dead. */
  async #send({ queue }: Group, load: Load): Promise<void> {
    const { work, transfer, pace, moved } = this.request;
    const sentAt = performance.now();
    const migrateMs = Math.max(1, Math.floor(work.nodeTimeoutMs / 2 / PARTS));
    const send = (commands: readonly Command[]) => work.nodes.sendBytes(transfer.from.name, commands);
    await sendLoad({ transfer, work, queue, load, sizes: this.sizes, migrateMs, send });
    const now = performance.now();
    const tookMs = now - Math.max(sentAt, this.#repliedAt);
    this.#repliedAt = now;
    this.#speed = afterLoad(this.#speed, { ...load, tookMs });
    moved({ slots: 0, keys: load.keys, bytes: load.bytes });
    await pace.rest(tookMs);
  }

  async #sendBig({ queue }: Group, load: Load): Promise<void> {
    const { work, transfer, timeout, moved, pace } = this.request;
    const { migrateMs, nodeTimeoutMs } = bigKeyPlan({ bytes: load.bytes, nodeTimeoutMs: work.nodeTimeoutMs });
    await pace.take(1);
    await timeout.while(nodeTimeoutMs, () => {
      const send = (commands: readonly Command[]) =>
        work.nodes.sendPatiently(transfer.from.name, commands, migrateMs * 2 + work.nodeTimeoutMs);
      return sendLoad({ transfer, work, queue, load, sizes: this.sizes, migrateMs, send });
    });
    moved({ slots: 0, keys: 1, bytes: load.bytes });
  }

  async #handOver(group: Opened): Promise<void> {
    const { transfer, work, room, moved, pace } = this.request;
    const begunAt = performance.now();
    await handOver({ transfer, work, slots: group.slots });
    this.#opened.delete(group);
    room.release(group.reserved);
    moved({ slots: group.slots.length, keys: 0, bytes: 0 });
    await pace.rest(performance.now() - begunAt);
  }

  /** Where the target has no room, slots that it has nothing of are closed; the source answers for them, and so does the target. */
  async #closeWhatCan(error: unknown): Promise<void> {
    if (!(error instanceof MoveTrouble) || error.text.trouble !== 'no-room') return;
    const { transfer, work } = this.request;
    const slots = [...this.#opened].flatMap(({ queue }) => queue.untouched);
    await closeUntouched({ transfer, work, slots }).catch((trouble: unknown) => {
      if (!(trouble instanceof MoveTrouble)) throw trouble;
    });
  }
}
