import { type Command, connectNode, valueOf } from '../../activities/redis/connection.js';
import type { Secret } from '../../config/secrets.js';
import { keySlot } from '../../domain/key-slot.js';
import { SLOT_COUNT, type SlotRange } from '../../domain/slots.js';

/** What the values of all keys take. */
export interface Values {
  readonly bytes: number;
  /** Of every so-manieth key the value takes so much instead. */
  readonly large?: { readonly every: number; readonly bytes: number };
}

/** Of eleven keys ten are small, so that 1.1 million of them are a million of the one and 100,000 of the other. */
export const MIXED: Values = { bytes: 100, large: { every: 11, bytes: 1024 } };

const ALL: SlotRange = [0, SLOT_COUNT - 1];

const BATCH = 2000;
const PATIENCE_MS = 30_000;

export interface Owner {
  readonly address: string;
  readonly port: number;
  readonly slots: readonly SlotRange[];
}

export interface FillRequest {
  readonly owners: readonly Owner[];
  readonly user: string;
  readonly password: Secret;
  readonly keys: number;
  readonly values: Values;
  /** Only keys of these slots; of all where nothing is said. */
  readonly within?: SlotRange;
}

function keyName(n: number): string {
  return `filled:${n}`;
}

/** Writes so many keys, spread over the slots, straight to the owners. */
export async function fillOwners({ owners, user, password, keys, values, within = ALL }: FillRequest): Promise<void> {
  const ownerOf: number[] = Array.from({ length: SLOT_COUNT }, () => -1);
  for (const [i, { slots }] of owners.entries()) for (const [from, to] of slots) ownerOf.fill(i, from, to + 1);
  const credentials = { user, password };
  const nodes = await Promise.all(owners.map((at) => connectNode({ ...at, credentials, timeoutMs: PATIENCE_MS })));
  const value = 'x'.repeat(Math.max(values.bytes, values.large?.bytes ?? 0));
  const valueOfKey = (n: number) =>
    value.slice(0, values.large !== undefined && n % values.large.every === 0 ? values.large.bytes : values.bytes);
  try {
    for (let n = 0, made = 0; made < keys; ) {
      const batches = nodes.map((): Command[] => []);
      for (const end = Math.min(keys, made + BATCH * nodes.length); made < end; n += 1) {
        const slot = keySlot(keyName(n));
        if (slot < within[0] || slot > within[1]) continue;
        made += 1;
        batches[ownerOf[slot] ?? -1]?.push(['SET', keyName(n), valueOfKey(n)]);
      }
      await Promise.all(
        nodes.map(async (node, i) => (await node.pipeline(batches[i] ?? [])).forEach((reply) => valueOf(reply))),
      );
    }
  } finally {
    for (const node of nodes) node.close();
  }
}

/** Some of the keys that are in these slots. */
export function keysWithin([from, to]: SlotRange, count: number): string[] {
  const keys: string[] = [];
  for (let n = 0; keys.length < count; n += 1) {
    const slot = keySlot(keyName(n));
    if (slot >= from && slot <= to) keys.push(keyName(n));
  }
  return keys;
}
