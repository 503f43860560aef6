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
}

export interface LoadBounds {
  readonly keys: number;
  readonly parts: number;
}

interface OpenSlotKeys {
  waiting: Buffer[];
  at: number;
  /** Its source is being asked for what is left. */
  asked: boolean;
}

/** The keys of open slots on their way. Reality decides: a slot is done when its source, asked behind the last MIGRATE, names no key. */
export class KeyQueue {
  readonly #slots = new Map<number, OpenSlotKeys>();

  /** What the source named. Nothing: the slot is empty, and stays so, as a slot that is being given away gets no new keys. */
  named(slot: number, keys: readonly Buffer[]): void {
    if (keys.length === 0) this.#slots.delete(slot);
    else this.#slots.set(slot, { waiting: [...keys], at: 0, asked: false });
  }

  /** The source did not say what is left. */
  unanswered(slot: number): void {
    const open = this.#slots.get(slot);
    if (open !== undefined) open.asked = false;
  }

  get done(): boolean {
    return this.#slots.size === 0;
  }

  get open(): number[] {
    return [...this.#slots.keys()];
  }

  /** What goes next; `null` where everything is on its way. */
  next(bounds: LoadBounds): Load | null {
    const parts: LoadPart[] = [];
    const asks: number[] = [];
    let keys = 0;
    for (const [slot, open] of this.#slots) {
      if (keys >= bounds.keys || parts.length >= bounds.parts) break;
      if (open.asked) continue;
      const taken = open.waiting.slice(open.at, open.at + bounds.keys - keys);
      open.at += taken.length;
      keys += taken.length;
      if (taken.length > 0) parts.push({ slot, keys: taken });
      if (open.at < open.waiting.length) continue;
      open.asked = true;
      asks.push(slot);
    }
    return parts.length === 0 && asks.length === 0 ? null : { parts, asks, keys };
  }
}
