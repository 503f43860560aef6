import { type Command, connectNode, valueOf } from '../../activities/redis/connection.js';
import type { Secret } from '../../config/secrets.js';
import { keySlot } from '../../domain/key-slot.js';
import { SLOT_COUNT, type SlotRange } from '../../domain/slots.js';

/** Of eleven keys ten are small, so that 1.1 million of them are a million of the one and 100,000 of the other. */
const SMALL_BYTES = 100;
const LARGE_BYTES = 1024;
const LARGE_EVERY = 11;

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
}

export function keyName(n: number): string {
  return `filled:${n}`;
}

/** Writes so many keys, spread over all slots, straight to the owners. */
export async function fillOwners({ owners, user, password, keys }: FillRequest): Promise<void> {
  const ownerOf: number[] = Array.from({ length: SLOT_COUNT }, () => -1);
  for (const [i, { slots }] of owners.entries()) for (const [from, to] of slots) ownerOf.fill(i, from, to + 1);
  const credentials = { user, password };
  const nodes = await Promise.all(owners.map((at) => connectNode({ ...at, credentials, timeoutMs: PATIENCE_MS })));
  const [small, large] = ['x'.repeat(SMALL_BYTES), 'x'.repeat(LARGE_BYTES)];
  try {
    for (let from = 0; from < keys; from += BATCH * nodes.length) {
      const batches = nodes.map((): Command[] => []);
      for (let n = from; n < Math.min(keys, from + BATCH * nodes.length); n += 1) {
        const key = keyName(n);
        batches[ownerOf[keySlot(key)] ?? -1]?.push(['SET', key, n % LARGE_EVERY === 0 ? large : small]);
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
