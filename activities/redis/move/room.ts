import { type InfoFields, parseInfo } from '../../../domain/parse-info.js';
import { mebibytes } from '../../../domain/units.js';
import { textOf } from '../connection.js';
import type { MovingNodes } from './mover.js';
import { MoveTrouble, taken } from './trouble.js';

/** What is known of a node's memory is used for so long, in milliseconds. */
const FRESH_MS = 1000;

/** Beside the keys that come, for buffers. */
const SPARE_BYTES = 2 * 2 ** 20;

/** The room that a target has left: nothing is opened that would not fit. */
export class Room {
  #leftBytes = 0;
  #seenAt = Number.NEGATIVE_INFINITY;
  #words = '';
  /** Of slots that are open now, and of which some may have come already. */
  #reserved = 0;

  constructor(
    private readonly node: string,
    private readonly nodes: MovingNodes,
  ) {}

  /** @throws MoveTrouble where it does not fit, or the node does not answer */
  async reserve(bytes: number): Promise<void> {
    if (performance.now() > this.#seenAt + FRESH_MS || !this.#fits(bytes)) await this.#look();
    if (!this.#fits(bytes)) {
      const words = `${this.#words}, and ${mebibytes(bytes + this.#reserved)} would come with the next slots`;
      throw new MoveTrouble({ trouble: 'no-room', node: this.node, words });
    }
    this.#reserved += bytes;
  }

  release(bytes: number): void {
    this.#reserved -= bytes;
    this.#leftBytes -= bytes;
  }

  #fits(bytes: number): boolean {
    return bytes + this.#reserved + SPARE_BYTES <= this.#leftBytes;
  }

  async #look(): Promise<void> {
    const replies = await taken(this.node, this.nodes.send(this.node, [['INFO', 'memory']]));
    const info = parseInfo(textOf(replies[0]));
    const [used, most] = [
      numberIn(info, 'used_memory') - numberIn(info, 'mem_not_counted_for_evict'),
      numberIn(info, 'maxmemory'),
    ];
    // A cache makes room by itself.
    const bounded = most > 0 && info.get('maxmemory_policy') === 'noeviction';
    this.#leftBytes = bounded ? most - used : Number.POSITIVE_INFINITY;
    this.#words = `it uses ${mebibytes(used)} of its maxmemory of ${mebibytes(most)}`;
    this.#seenAt = performance.now();
  }
}

function numberIn(info: InfoFields, name: string): number {
  return Number(info.get(name) ?? 0);
}
