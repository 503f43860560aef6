import type { Member, SlotTable } from '../../../domain/slot-states.js';
import { compactRanges } from '../../../domain/slots.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import type { OpenNodes } from '../open-nodes.js';
import { keyMover } from '../move/keys.js';
import type { MovingMaster, Transfer } from '../move/mover.js';
import { MoveTrouble, silent } from '../move/trouble.js';
import { gatherKeys } from './gather.js';
import type { KeyOrder } from './orders.js';

/** After so long the nodes are looked at again: roles may have changed meanwhile. */
const LOOK_AGAIN_MS = 5000;

export interface KeyMoves {
  readonly table: SlotTable;
  readonly orders: readonly KeyOrder[];
  readonly nodes: OpenNodes;
  readonly spec: ClusterSpec;
  readonly signal?: AbortSignal;
  /** Told, now and then, how many keys have gone. */
  readonly moved: (keys: number) => void;
}

/**
 * Moves the keys of slots that are open for it: what a third node has first, then, by the mover that moves slots key by key, what their owner has; that one hands the
 * slots over, too.
 * @throws MoveTrouble; ForgeError Fenced
 */
export async function moveKeys(request: KeyMoves): Promise<void> {
  const { spec, nodes } = request;
  const gathered = request.orders.filter(({ wins }) => wins === 'target');
  const migrateMs = Math.max(1, Math.floor(spec.redis.nodeTimeoutMs / 4));
  let keys = 0;
  const moved = (more: number) => request.moved((keys += more));
  for (const { from, to, slots } of pairsOf(gathered)) {
    const ends = await endsOf(request, from, to);
    await gatherKeys({ ...ends, slots, nodes, migrateMs, moved, ...(request.signal && { signal: request.signal }) });
  }
  const given = pairsOf(request.orders.filter(({ wins }) => wins === 'source'));
  const transfers = await Promise.all(
    given.map(async ({ from, to, slots }): Promise<Transfer> => {
      return { ...(await endsOf(request, from, to)), ranges: compactRanges(slots.map((slot) => [slot, slot])) };
    }),
  );
  if (transfers.length === 0) return;
  const atWork = new Set(transfers.flatMap(({ from, to }) => [from.name, to.name]));
  await keyMover.move({
    transfers,
    nodes,
    members: request.table.members.map(({ name }) => name),
    otherMasters: request.table.masters.map(({ name }) => name).filter((name) => !atWork.has(name)),
    rules: spec.moves,
    nodeTimeoutMs: spec.redis.nodeTimeoutMs,
    until: performance.now() + LOOK_AGAIN_MS,
    signal: request.signal ?? new AbortController().signal,
    progress: (tally) => request.moved(keys + tally.keys),
    // Key by key there is nothing to tell beside what moved.
    note: () => undefined,
  });
}

interface Pair {
  readonly from: string;
  readonly to: string;
  readonly slots: number[];
}

function pairsOf(orders: readonly KeyOrder[]): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const { node, to, slot } of orders) {
    const pair = pairs.get(`${node} ${to}`) ?? { from: node, to, slots: [] };
    pairs.set(`${node} ${to}`, pair);
    pair.slots.push(slot);
  }
  return [...pairs.values()];
}

async function endsOf(request: KeyMoves, from: string, to: string): Promise<Pick<Transfer, 'from' | 'to'>> {
  const [source, target] = [from, to].map((name) => request.table.members.find((member) => member.name === name));
  if (source === undefined || target === undefined) throw new Error(`${from} or ${to} was not looked at`);
  return { from: await masterOf(request, source, target), to: await masterOf(request, target, source) };
}

/** With the address at which the other end reaches it: ours may be another one. */
async function masterOf({ nodes }: KeyMoves, { name, id }: Member, seenBy: Member): Promise<MovingMaster> {
  const seen = seenBy.view.find((entry) => entry.id === id);
  if (seen === undefined || seen.address === '') {
    throw new MoveTrouble({ trouble: 'roles', node: seenBy.name, words: `it does not know ${name}` });
  }
  const { address, port } = seen;
  const capabilities = await nodes.capabilitiesOf(name).catch((error: unknown) => {
    throw silent(error, name);
  });
  return { name, id, address, port, capabilities };
}
