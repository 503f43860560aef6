import type { Capabilities } from '../../../domain/capabilities.js';
import type { MovesSpec } from '../../../domain/spec.js';
import { redisMover } from './atomic-redis.js';
import { valkeyMover } from './atomic-valkey.js';
import { keyMover } from './keys.js';
import type { MoveTally, MoveWork, SlotMover, Transfer } from './mover.js';

/**
 * Each transfer by the best mover that both of its ends know, those of one mover together. One mover after the other: a node with a slot open key by key takes
 * no task of the engine's. @throws as the movers
 */
export async function moveByBest(work: MoveWork): Promise<MoveTally> {
  let tally: MoveTally = { slots: 0, keys: 0, bytes: 0, p99Ms: null };
  for (const [mover, transfers] of grouped(work.transfers, work.rules)) {
    const before = tally;
    const add = (part: MoveTally): MoveTally => ({
      slots: before.slots + part.slots,
      keys: before.keys + part.keys,
      bytes: before.bytes + part.bytes,
      p99Ms: part.p99Ms ?? before.p99Ms,
    });
    tally = add(await mover.move({ ...work, transfers, progress: (part) => work.progress(add(part)) }));
  }
  return tally;
}

function grouped(transfers: readonly Transfer[], rules: MovesSpec): Map<SlotMover, Transfer[]> {
  const groups = new Map<SlotMover, Transfer[]>();
  for (const transfer of transfers) {
    const mover = moverOf(transfer, rules);
    groups.set(mover, [...(groups.get(mover) ?? []), transfer]);
  }
  return groups;
}

function moverOf({ from, to }: Transfer, { mover }: MovesSpec): SlotMover {
  const asked = askedBy(from.capabilities);
  if (mover === 'keys' || asked === null || asked !== askedBy(to.capabilities)) return keyMover;
  return asked === 'target' ? redisMover : valkeyMover;
}

/** Whether the slots of a transfer are open while their keys go. */
export function movesByKeys(transfer: Transfer, rules: MovesSpec): boolean {
  return moverOf(transfer, rules) === keyMover;
}

function askedBy({ slotMover }: Capabilities): 'target' | 'source' | null {
  return slotMover?.asked ?? null;
}
