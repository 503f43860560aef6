import type { MendableCase, SlotCase } from '../../../domain/slot-cases.js';
import { describeRepair } from '../../../domain/slot-repairs.js';
import { compactRanges } from '../../../domain/slots.js';

/** What has been mended, told from one look to the next: what was in a half state, and is not any more. */
export class DoneRepairs {
  readonly #open = new Map<number, MendableCase>();
  readonly #done = new Map<number, MendableCase>();

  /** All slots that a look found in a half state. */
  looked(open: readonly { readonly slot: number; readonly found: SlotCase }[]): void {
    const now = new Map(open.map(({ slot, found }) => [slot, found]));
    for (const [slot, found] of this.#open) {
      if (!now.has(slot)) this.#done.set(slot, found);
    }
    for (const slot of [...this.#open.keys()]) if (!now.has(slot)) this.#open.delete(slot);
    for (const [slot, found] of now) {
      const before = this.#open.get(slot);
      if (found.kind === 'stuck') continue;
      const isItsEnd = before?.kind === 'finish-move' && before.owner.name === found.owner.name;
      if (!isItsEnd) this.#open.set(slot, found);
    }
  }

  /** A line for each: `finish the move of 100-102 from h1:7000 to h2:7000 (keys have been moved)`. */
  lines(): string[] {
    const lines = new Map<string, { slots: number[]; found: MendableCase }>();
    for (const [slot, found] of this.#done) {
      const key = [found.kind, found.owner.name, found.from?.name, found.why].join('\n');
      const line = lines.get(key);
      if (line === undefined) lines.set(key, { slots: [slot], found });
      else line.slots.push(slot);
    }
    return [...lines.values()].map(({ slots, found: { kind, owner, from, why } }) =>
      describeRepair({
        repair: kind,
        ranges: compactRanges(slots.map((slot) => [slot, slot])),
        owner: owner.name,
        ...(from && { from: from.name }),
        why,
      }),
    );
  }
}
