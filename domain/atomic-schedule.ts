import { compactRanges, type SlotRange } from './slots.js';

/** A slot that is to be moved, and how much lies in it. */
export interface SlotLoad {
  readonly slot: number;
  readonly keys: number;
}

/** What is moved by one task of the engine: all of it changes its owner in one moment. */
export interface Chunk {
  readonly loads: readonly SlotLoad[];
  readonly ranges: readonly SlotRange[];
  readonly keys: number;
}

/** Cuts the first slots off, as many as hold no more than `maxKeys`, and at least one: a slot cannot be moved in parts. */
export function takeChunk(
  left: readonly SlotLoad[],
  maxKeys: number,
): { readonly chunk: Chunk; readonly left: readonly SlotLoad[] } {
  let keys = 0;
  let count = 0;
  for (const load of left) {
    if (count > 0 && keys + load.keys > maxKeys) break;
    keys += load.keys;
    count += 1;
  }
  return { chunk: chunkOf(left.slice(0, count)), left: left.slice(count) };
}

/** Takes certain slots out, as a task that is under way already has them; `null` where not all of them are there. */
export function takeRanges(
  left: readonly SlotLoad[],
  ranges: readonly SlotRange[],
): { readonly chunk: Chunk; readonly left: readonly SlotLoad[] } | null {
  const within = (slot: number) => ranges.some(([from, to]) => from <= slot && slot <= to);
  const taken = left.filter(({ slot }) => within(slot));
  if (taken.length < ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0)) return null;
  return { chunk: chunkOf(taken), left: left.filter(({ slot }) => !within(slot)) };
}

function chunkOf(loads: readonly SlotLoad[]): Chunk {
  return {
    loads,
    ranges: compactRanges(loads.map(({ slot }) => [slot, slot] as const)),
    keys: loads.reduce((sum, { keys }) => sum + keys, 0),
  };
}

/** Two masters between which slots are left to be moved. */
export interface Pair {
  readonly from: string;
  readonly to: string;
  readonly leftSlots: number;
  readonly leftKeys: number;
  /** Tasks between them that are under way. */
  readonly running: number;
  /** Whether both ends could begin one now. */
  readonly ready: boolean;
}

/**
 * How many tasks a node may have part in at a time, as a source or as a target. It is never both: while a source hands over it holds all writes, those that it is given
 * as a target among them. Two Valkey nodes that hand over to each other wait for each other, until both give up after ten seconds, and one takes over nevertheless what
 * the other has begun to write to again: acknowledged writes are lost.
 */
export interface Lanes {
  readonly source: number;
  readonly target: number;
}

/**
 * Which pairs get a task now, by their place in the list; a pair may get several. It is done as lists are scheduled: whoever has most left goes first, so
 * that the longest queue is never what is left at the end. Nothing that could run is kept waiting, and as the heads of queues shrink everybody's turn comes.
 */
export function pairsToStart(pairs: readonly Pair[], lanes: Lanes): number[] {
  const load = new NodeLoad(lanes);
  for (const { from, to, running } of pairs) for (let i = 0; i < running; i += 1) load.add(from, to);
  const waiting = pairs
    .map((pair, index) => ({ ...pair, index }))
    .filter(({ ready, leftSlots }) => ready && leftSlots > 0)
    .sort((a, b) => b.leftKeys - a.leftKeys || b.leftSlots - a.leftSlots);
  const started: number[] = [];
  for (let given = true; given; ) {
    given = false;
    for (const { from, to, index, leftSlots } of waiting) {
      const own = started.filter((one) => one === index).length;
      if (own >= leftSlots || !load.hasRoom(from, to)) continue;
      load.add(from, to);
      started.push(index);
      given = true;
    }
  }
  return started;
}

class NodeLoad {
  readonly #sources = new Map<string, number>();
  readonly #targets = new Map<string, number>();

  constructor(private readonly lanes: Lanes) {}

  add(from: string, to: string): void {
    this.#sources.set(from, (this.#sources.get(from) ?? 0) + 1);
    this.#targets.set(to, (this.#targets.get(to) ?? 0) + 1);
  }

  hasRoom(from: string, to: string): boolean {
    const { source, target } = this.lanes;
    const [sending, getting] = [this.#sources.get(from) ?? 0, this.#targets.get(to) ?? 0];
    return sending < source && getting < target && !this.#targets.has(from) && !this.#sources.has(to);
  }
}
