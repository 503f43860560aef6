import { slotsIn } from '../../../domain/slots.js';
import { openSlots, rolesChanged } from './atomic-failures.js';
import { type AtomicNodes, type OwnWords, within } from './atomic-nodes.js';
import type { PairWork } from './atomic-task.js';
import type { MovingMaster, Transfer } from './mover.js';

/**
 * What is left of each transfer, by the own words of both ends, and how much lies in it. What its target owns already is done.
 * @throws ForgeError Refused where a slot is open to a move key by key, Fenced; MoveTrouble where a node is silent or is not what it was
 */
export function lookAtPairs(transfers: readonly Transfer[], nodes: AtomicNodes): Promise<PairWork[]> {
  return Promise.all(transfers.map((transfer) => lookAtPair(transfer, nodes)));
}

async function lookAtPair(transfer: Transfer, nodes: AtomicNodes): Promise<PairWork> {
  const { from, to, ranges } = transfer;
  const [source, target] = await Promise.all([lookAtMaster(from, nodes), lookAtMaster(to, nodes)]);
  const left = within(source.slots, ranges);
  if (slotsIn(left) + slotsIn(within(target.slots, ranges)) < slotsIn(ranges))
    throw rolesChanged({
      node: from.name,
      words: `slots that it is to give to ${to.name} are with neither of the two`,
    });
  return {
    transfer,
    source: await nodes.loadOf(from.name),
    left: await nodes.countKeys(from.name, left),
    notBefore: 0,
    failures: 0,
  };
}

async function lookAtMaster({ name, id }: MovingMaster, nodes: AtomicNodes): Promise<OwnWords> {
  const words = await nodes.mustOwnWords(name);
  if (words.id !== id || words.masterId !== null)
    throw rolesChanged({ node: name, words: 'it is not the master that it was' });
  if (words.migrating.length + words.importing.length > 0) throw openSlots(name);
  return words;
}
