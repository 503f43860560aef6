import { keySlot } from '../../domain/key-slot.js';
import { SLOT_COUNT, type SlotRange } from '../../domain/slots.js';
import { type Cell, KINDS, type Kind, newCell } from './model.js';

/** Every so many slots is a busy one: with keys of all kinds, and half of all writes. */
const BUSY_EVERY = 32;
/** What is always kept open, and what else a slot that is not busy has of it. */
const CONSTANT: Kind = 'overwrite';
const OTHERS = KINDS.filter((kind) => kind !== CONSTANT);

interface Place {
  readonly kind: Kind;
  generation: number;
  /** `null` where it has been closed: it settled when there were keys enough. */
  cell: Cell | null;
}

interface SlotPlaces {
  readonly slot: number;
  readonly tag: string;
  readonly places: readonly Place[];
  turn: number;
}

/** The keys of a ledger: which one is written next, so that every slot comes up again and again, and neighbours of time are on different nodes. */
export class Cells {
  readonly all: Cell[] = [];
  readonly #busy: readonly SlotPlaces[];
  readonly #others: readonly SlotPlaces[];
  readonly #mostKeys: number;
  readonly #id: string;
  #turn = 0;

  constructor({ slots, mostKeys, id }: { slots: readonly SlotRange[]; mostKeys: number; id: string }) {
    this.#mostKeys = mostKeys;
    this.#id = id;
    const tags = slotTags();
    const wanted = slots.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
    const placesOf = (slot: number, kinds: readonly Kind[]): SlotPlaces => ({
      slot,
      tag: tags[slot] ?? '',
      places: kinds.map((kind) => ({ kind, generation: 0, cell: null })),
      turn: 0,
    });
    const busy = wanted.filter((_, i) => i % BUSY_EVERY === 0);
    const others = wanted.filter((_, i) => i % BUSY_EVERY !== 0);
    this.#busy = scattered(busy).map((slot) => placesOf(slot, KINDS));
    this.#others = scattered(others).map((slot) => placesOf(slot, [CONSTANT, other(slot), other(slot + 3)]));
    for (const group of [this.#busy, this.#others]) {
      for (const { slot, tag, places } of group) for (const place of places) this.#open({ slot, tag, place });
    }
  }

  get slots(): readonly number[] {
    return [...this.#busy, ...this.#others].map(({ slot }) => slot);
  }

  /** The cell that is written next; `null` where all that was looked at are busy. */
  next(): Cell | null {
    for (let tries = 0; tries < 64; tries += 1) {
      const turn = this.#turn++;
      const group = turn % 2 === 0 || this.#others.length === 0 ? this.#busy : this.#others;
      const slot = group[(turn >> 1) % group.length];
      const cell = slot === undefined ? null : this.#nextOf(slot);
      if (cell !== null) return cell;
    }
    return null;
  }

  #nextOf(at: SlotPlaces): Cell | null {
    for (let tries = 0; tries < at.places.length; tries += 1) {
      const place = at.places[at.turn++ % at.places.length];
      if (place === undefined || place.cell === null) continue;
      if (place.cell.state === 'settled' || place.cell.state === 'spoilt') this.#open({ ...at, place });
      if (place.cell?.state === 'open') return place.cell;
    }
    return null;
  }

  /** A new key takes the place of one that is done with. What is always open is opened again, however many keys there are. */
  #open({ slot, tag, place }: { slot: number; tag: string; place: Place }): void {
    if (this.all.length >= this.#mostKeys && place.cell !== null && place.kind !== CONSTANT) {
      place.cell = null;
      return;
    }
    const key = `{${tag}}${this.#id}:${place.kind}:${place.generation++}`;
    place.cell = newCell({ key, slot, kind: place.kind }, Date.now());
    this.all.push(place.cell);
  }
}

function other(n: number): Kind {
  return OTHERS[n % OTHERS.length] ?? CONSTANT;
}

/** In an order in which neighbours are far from each other. */
function scattered(slots: readonly number[]): number[] {
  const { length } = slots;
  let stride = Math.max(1, Math.round(length * 0.618));
  while (divisor(stride, length) > 1) stride += 1;
  return slots.map((_, i) => slots[(i * stride) % length] ?? 0);
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** For each slot the first number, in base 36, that is in it. */
function slotTags(): string[] {
  const tags: string[] = [];
  for (let n = 0, found = 0; found < SLOT_COUNT; n += 1) {
    const tag = n.toString(36);
    const slot = keySlot(tag);
    if (tags[slot] !== undefined) continue;
    tags[slot] = tag;
    found += 1;
  }
  return tags;
}
