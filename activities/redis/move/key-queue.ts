import type { LoadBounds } from '../../../domain/move-loads.js';

/** A key of an open slot. */
export interface WaitingKey {
  readonly key: Buffer;
  /** In memory, as its node says; the mean of the node's keys where it was not asked. */
  readonly bytes: number;
}

/** Keys of one slot that go with one MIGRATE. */
export interface LoadPart {
  readonly slot: number;
  readonly keys: readonly Buffer[];
}

/** What is sent to the source at once: a MIGRATE for each part, then the question for what is left of slots of which nothing is known to be left. */
export interface Load {
  readonly parts: readonly LoadPart[];
  readonly asks: readonly number[];
  readonly keys: number;
  readonly bytes: number;
  /** It is one key of such a size that it goes alone. */
  readonly big: boolean;
}

interface OpenSlot {
  readonly slot: number;
  waiting: readonly WaitingKey[];
  at: number;
  /** Its source is being asked for what is left. */
  asked: boolean;
  /** Some of its keys have been sent. */
  touched: boolean;
}

export interface QueueBounds extends LoadBounds {
  readonly parts: number;
}

/** The keys of open slots on their way. Reality decides: a slot is done when its source, asked behind the last MIGRATE, names no key. */
export class KeyQueue {
  readonly #slots = new Map<number, OpenSlot>();

  constructor(private readonly bigKeyBytes: number) {}

  /** What the source named. Nothing: the slot is empty, and stays so, as a slot that is being given away gets no new keys. */
  named(slot: number, keys: readonly WaitingKey[]): void {
    const touched = this.#slots.get(slot)?.touched ?? false;
    if (keys.length === 0) this.#slots.delete(slot);
    else this.#slots.set(slot, { slot, waiting: keys, at: 0, asked: false, touched });
  }

  /** A slot whose source has to be asked, whatever is known of its keys. */
  unknown(slot: number, keys: readonly WaitingKey[]): void {
    this.#slots.set(slot, { slot, waiting: keys, at: 0, asked: false, touched: false });
  }

  /** The source did not say what is left. */
  unanswered(slot: number): void {
    const open = this.#slots.get(slot);
    if (open !== undefined) open.asked = false;
  }

  get done(): boolean {
    return this.#slots.size === 0;
  }

  /** Slots of which no key has been sent. */
  get untouched(): number[] {
    return [...this.#slots.values()].filter(({ touched }) => !touched).map(({ slot }) => slot);
  }

  /** What goes next; `null` where everything is on its way. */
  next(bounds: QueueBounds): Load | null {
    const parts: LoadPart[] = [];
    const asks: number[] = [];
    let [keys, bytes] = [0, 0];
    for (const open of this.#slots.values()) {
      if (keys >= bounds.keys || bytes >= bounds.bytes || parts.length >= bounds.parts) break;
      if (open.asked) continue;
      const first = open.waiting[open.at];
      if (first !== undefined && first.bytes >= this.bigKeyBytes) {
        if (keys > 0 || asks.length > 0) break;
        return this.#big(open, first);
      }
      const taken = this.#take(open, { keys: bounds.keys - keys, bytes: bounds.bytes - bytes });
      keys += taken.length;
      bytes += taken.reduce((sum, key) => sum + key.bytes, 0);
      if (taken.length > 0) parts.push({ slot: open.slot, keys: taken.map(({ key }) => key) });
      if (this.#asks(open)) asks.push(open.slot);
    }
    return parts.length === 0 && asks.length === 0 ? null : { parts, asks, keys, bytes, big: false };
  }

  #big(open: OpenSlot, { key, bytes }: WaitingKey): Load {
    open.at += 1;
    open.touched = true;
    const asks = this.#asks(open) ? [open.slot] : [];
    return { parts: [{ slot: open.slot, keys: [key] }], asks, keys: 1, bytes, big: true };
  }

  /** As many of the next keys as fit, one at least; up to a big one. */
  #take(open: OpenSlot, bounds: LoadBounds): readonly WaitingKey[] {
    const from = open.at;
    let bytes = 0;
    while (open.at < open.waiting.length && open.at - from < bounds.keys && bytes < bounds.bytes) {
      const next = open.waiting[open.at];
      if (next === undefined || next.bytes >= this.bigKeyBytes) break;
      bytes += next.bytes;
      open.at += 1;
    }
    if (open.at > from) open.touched = true;
    return open.waiting.slice(from, open.at);
  }

  /** Whether the source is asked now: behind the last key that is known. */
  #asks(open: OpenSlot): boolean {
    if (open.at < open.waiting.length) return false;
    open.asked = true;
    return true;
  }
}
