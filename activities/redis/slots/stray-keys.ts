import { capabilitiesOf } from '../../../domain/capabilities.js';
import { type AnsweringNode, selfOf, type StrayKeys } from '../../../domain/observation.js';
import { eachSlot } from '../../../domain/ownership.js';
import { compactRanges, SLOT_COUNT } from '../../../domain/slots.js';
import { type Command, countOf, type Reply, valueOf } from '../connection.js';

/** Sends commands to one node in one round trip. @throws NodeSilent */
export type Ask = (commands: readonly Command[]) => Promise<Reply[]>;

/** Slots that are counted in one round trip: more of them would keep a node from its clients. */
const COUNTED_AT_ONCE = 1024;

/**
 * The keys that a master has in slots that it does not own. Where its own slots have as many keys as it has at all, before and after the count, there are none;
 * clients that write meanwhile only make it look closer.
 * @throws NodeSilent
 */
export async function strayKeysOf(
  master: Pick<AnsweringNode, 'id' | 'view' | 'engine' | 'version'>,
  ask: Ask,
): Promise<StrayKeys> {
  const owned = new Set(eachSlot(selfOf(master)?.slots ?? []));
  const all = async () => (await ask([['DBSIZE']])).map(countOf)[0];
  const before = await all();
  const own = sum(await countSlots([...owned], ask));
  if (own === before && own === (await all())) return { keys: 0, ranges: [], hidden: 0 };
  const others = Array.from({ length: SLOT_COUNT }, (_, slot) => slot).filter((slot) => !owned.has(slot));
  const counts = await countSlots(others, ask);
  const strays = others.filter((_, i) => counts[i] !== 0);
  const hidden = capabilitiesOf(master).hidesForeignKeys ? await hiddenKeys([...owned, ...strays], ask) : 0;
  return { keys: sum(counts), ranges: compactRanges(strays.map((slot) => [slot, slot])), hidden };
}

/** How many keys a node has in each of these slots. @throws NodeSilent */
export async function countSlots(slots: readonly number[], ask: Ask): Promise<number[]> {
  const counts: number[] = [];
  for (let at = 0; at < slots.length; at += COUNTED_AT_ONCE) {
    const some = slots.slice(at, at + COUNTED_AT_ONCE);
    counts.push(...(await ask(some.map(countOne))).map(countOf));
  }
  return counts;
}

/** Keys beside those of the slots that a node tells of: all in one moment, so that no client's write comes in between. 0 where it may not be asked so. */
async function hiddenKeys(slots: readonly number[], ask: Ask): Promise<number> {
  const replies = await ask([['MULTI'], ['DBSIZE'], ...slots.map(countOne), ['EXEC']]);
  const last = replies.at(-1);
  if (last?.ok !== true) return 0;
  const [all = 0, ...counts] = numbersIn(valueOf(last));
  return Math.max(0, all - sum(counts));
}

function numbersIn(value: unknown): number[] {
  return Array.isArray(value) ? value.map((count) => countOf({ ok: true, value: count })) : [];
}

function countOne(slot: number): Command {
  return ['CLUSTER', 'COUNTKEYSINSLOT', slot];
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
