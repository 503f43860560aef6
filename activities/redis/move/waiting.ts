import type { SlotKeys } from '../../../domain/move-groups.js';
import type { MovesSpec } from '../../../domain/spec.js';
import { mebibytes } from '../../../domain/units.js';
import { visibleLine } from '../../../domain/visible.js';
import type { Listed } from './listing.js';
import type { MovingNodes } from './mover.js';
import { countKeys, type Pair } from './pair.js';
import { MoveTrouble } from './trouble.js';

/** Slots that are counted ahead of the groups that are cut from them. */
const COUNTED_AHEAD = 256;

interface BigKey {
  readonly slot: number;
  readonly key: Buffer;
  readonly bytes: number;
}

/** The slots of a lane that have not been opened by it: those that somebody began to move before it come first, on their own. */
export class Waiting {
  readonly #begun: ReadonlySet<number>;
  #counted: SlotKeys[] = [];
  #next = 0;
  readonly #refused: BigKey[] = [];

  constructor(
    private readonly request: {
      readonly pair: Pair;
      readonly node: string;
      readonly nodes: MovingNodes;
    },
  ) {
    this.#begun = new Set(request.pair.begun);
  }

  isBegun(slot: number): boolean {
    return this.#begun.has(slot);
  }

  /** The next slots with their keys counted. @throws MoveTrouble */
  async next(stopping: boolean): Promise<readonly SlotKeys[]> {
    const { waiting } = this.request.pair;
    if (this.#counted.length < COUNTED_AHEAD / 2 && this.#next < waiting.length) {
      const some = waiting.slice(this.#next, this.#next + COUNTED_AHEAD);
      this.#counted = [...this.#counted, ...(await countKeys(this.request.node, some, this.request.nodes))];
      this.#next += some.length;
    }
    const fresh = this.#counted.findIndex(({ slot }) => !this.isBegun(slot));
    if (fresh !== 0) return fresh < 0 ? this.#counted : this.#counted.slice(0, fresh);
    return stopping ? [] : this.#counted;
  }

  /** These are opened next; those that the spec's rule refuses are left as they are, unless they were begun. */
  taken(listed: readonly Listed[], { bigKeys, bigKeyBytes }: MovesSpec): Listed[] {
    this.#counted = this.#counted.slice(listed.length);
    if (bigKeys === 'move') return [...listed];
    return listed.filter(({ slot, named }) => {
      const big = this.isBegun(slot) ? [] : named.filter(({ bytes }) => bytes >= bigKeyBytes);
      this.#refused.push(...big.map((key) => ({ slot, ...key })));
      return big.length === 0;
    });
  }

  /** @throws MoveTrouble where slots were left for their big keys */
  throwRefused(node: string, { bigKeyBytes }: MovesSpec): void {
    const [first] = this.#refused;
    if (first === undefined) return;
    const shown = this.#refused.slice(0, 5).map(({ slot, key, bytes }) => {
      return `slot ${slot}: ${visibleLine(key.toString())} (${mebibytes(bytes)})`;
    });
    const more = this.#refused.length > shown.length ? ` and ${this.#refused.length - shown.length} more` : '';
    const words = `its spec refuses to move keys of ${mebibytes(bigKeyBytes)} and more: ${shown.join(', ')}${more}`;
    throw new MoveTrouble({ trouble: 'stays', node, words });
  }
}
