import type { Resolved } from '../../../domain/move-transfers.js';
import { eachSlot } from '../../../domain/ownership.js';

/** What has gone from whom to whom, told from one look to the next: what was to be moved, and is not any more. */
export class Given {
  #waiting = new Map<string, readonly number[]>();
  readonly #gone = new Map<string, number[]>();

  /** What a look found to be moved. */
  seen({ transfers, stuck }: Pick<Resolved, 'transfers' | 'stuck'>): void {
    const now = new Map(transfers.map(({ from, to, ranges }) => [pairOf(from, to), [...eachSlot(ranges)]]));
    const left = new Set(
      [...now.values(), ...stuck.map(({ ranges }) => eachSlot(ranges))].flatMap((slots) => [...slots]),
    );
    for (const [pair, slots] of this.#waiting) {
      const gone = slots.filter((slot) => !left.has(slot));
      if (gone.length > 0) this.#gone.set(pair, [...(this.#gone.get(pair) ?? []), ...gone]);
    }
    this.#waiting = now;
  }

  /** A line for each pair: `h1:7000 → h4:7000: 512 slots, 34 021 keys`. `keysIn`: how many keys the target has in them. */
  async effects(keysIn: (to: string, slots: readonly number[]) => Promise<number | null>): Promise<string[]> {
    const lines = [...this.#gone].map(async ([pair, slots]) => {
      const keys = await keysIn(pair.split(ARROW)[1] ?? '', slots);
      return `${pair}: ${grouped(slots.length)} slots${keys === null ? '' : `, ${grouped(keys)} keys`}`;
    });
    return Promise.all(lines);
  }
}

const ARROW = ' → ';

function pairOf(from: string, to: string): string {
  return `${from}${ARROW}${to}`;
}

/** Digits in groups of three. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}
