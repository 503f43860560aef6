import type { Command, Reply } from '../connection.js';
import type { Row } from '../open-nodes.js';
import { KeyQueue, type Load, type LoadPart } from './key-queue.js';
import { ASKED_KEYS, type KeySizes, keysIn, type Listed } from './listing.js';
import type { MovingMaster, MoveWork, Transfer } from './mover.js';
import { countKeys } from './pair.js';
import { MoveTrouble, refused, silent } from './trouble.js';

/** Connections that share the SETSLOTs of a group where the server holds each back until its replicas have it. */
const WAYS = 8;

/** Slots that are open together. */
export interface Group {
  readonly slots: readonly number[];
  readonly queue: KeyQueue;
  /** What their keys take, as far as it was known when they were opened. */
  readonly bytes: number;
}

export interface GroupWork {
  readonly transfer: Transfer;
  readonly work: Pick<MoveWork, 'nodes' | 'otherMasters' | 'rules'>;
}

export interface OpenRequest extends GroupWork {
  readonly slots: readonly Listed[];
  /** Of these the target is told the owner before. */
  readonly misled: ReadonlySet<number>;
}

/**
 * Opens slots: on the target first, so that it takes whom the source sends to it, then on the source.
 * @throws MoveTrouble
 */
export async function openGroup({ transfer, work, slots, misled }: OpenRequest): Promise<Group> {
  const { from, to } = transfer;
  const numbers = slots.map(({ slot }) => slot);
  const importing = numbers.map((slot): Row => {
    const flag: Command = ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id];
    return misled.has(slot) ? [['CLUSTER', 'SETSLOT', slot, 'NODE', from.id], flag] : [flag];
  });
  throwFirst(await tell({ work, master: to, slots: numbers, rows: importing }));
  const migrating = numbers.map((slot): Row => [['CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id]]);
  throwFirst(await tell({ work, master: from, slots: numbers, rows: migrating }));
  const queue = new KeyQueue(work.rules.bigKeyBytes);
  for (const { slot, named } of slots) queue.unknown(slot, named);
  const bytes = slots.flatMap(({ named }) => named).reduce((sum, key) => sum + key.bytes, 0);
  return { slots: numbers, queue, bytes };
}

/**
 * Takes the flags of slots away again of which no key was sent: on the source first, so that it sends nobody any more. A slot for which the target got a key
 * by a client in the meantime is opened again: it has to go on.
 * @throws MoveTrouble
 */
export async function closeUntouched({ transfer, work, slots }: GroupWork & { readonly slots: readonly number[] }) {
  if (slots.length === 0) return;
  const { from, to } = transfer;
  const before = await countKeys(to.name, slots, work.nodes);
  const empty = before.filter(({ keys }) => keys === 0).map(({ slot }) => slot);
  const stable = (slot: number): Row => [['CLUSTER', 'SETSLOT', slot, 'STABLE']];
  throwFirst(await tell({ work, master: from, slots: empty, rows: empty.map(stable) }));
  throwFirst(await tell({ work, master: to, slots: empty, rows: empty.map(stable) }));
  const after = await countKeys(to.name, empty, work.nodes);
  const late = after.filter(({ keys }) => keys > 0).map(({ slot }) => slot);
  const again = (flag: string, id: string) => late.map((slot): Row => [['CLUSTER', 'SETSLOT', slot, flag, id]]);
  throwFirst(await tell({ work, master: to, slots: late, rows: again('IMPORTING', from.id) }));
  throwFirst(await tell({ work, master: from, slots: late, rows: again('MIGRATING', to.id) }));
}

/**
 * Takes the flags of slots off a target that would hear by gossip who owns them now, were it not for them; another look finds them heard of.
 * @throws MoveTrouble where there are any
 */
export async function letHear({
  transfer: { from, to },
  work,
  slots,
}: GroupWork & { readonly slots: readonly number[] }) {
  const [first] = slots;
  if (first === undefined) return;
  const rows = slots.map((slot): Row => [['CLUSTER', 'SETSLOT', slot, 'STABLE']]);
  throwFirst(await tell({ work, master: to, slots, rows }));
  const words = `it has not heard yet that ${from.name} owns it`;
  throw new MoveTrouble({ trouble: 'passes', node: to.name, slot: first, words });
}

/**
 * Gives emptied slots to the target: it is told first, and takes a new epoch, so that it owns them before anybody else is sent to it; then the source and all
 * others. An unreachable third master learns it by gossip.
 * @throws MoveTrouble
 */
export async function handOver({ transfer, work, slots }: GroupWork & { readonly slots: readonly number[] }) {
  if (slots.length === 0) return;
  const { from, to } = transfer;
  const rows = slots.map((slot): Row => [['CLUSTER', 'SETSLOT', slot, 'NODE', to.id]]);
  throwFirst(await tell({ work, master: to, slots, rows }));
  const others = work.otherMasters.map((name) => work.nodes.sendRows({ name, rows, ways: 1 }));
  const [source] = await Promise.all([tell({ work, master: from, slots, rows }), Promise.allSettled(others)]);
  throwFirst(source.filter(({ trouble }) => trouble === undefined || !/only with masters/.test(trouble.text.words)));
}

interface Told {
  readonly slot: number;
  readonly replies: readonly Reply[];
  readonly trouble: MoveTrouble | undefined;
}

/** Tells one master something about each slot. @throws MoveTrouble where it does not answer */
async function tell(request: {
  readonly work: Pick<MoveWork, 'nodes'>;
  readonly master: MovingMaster;
  readonly slots: readonly number[];
  readonly rows: readonly Row[];
}): Promise<Told[]> {
  const { work, master, slots, rows } = request;
  const node = master.name;
  const ways = master.capabilities.setSlotWaits ? WAYS : 1;
  const replies = await work.nodes.sendRows({ name: node, rows, ways }).catch((error: unknown) => {
    throw silent(error, node);
  });
  return slots.map((slot, i) => {
    const own = replies[i] ?? [];
    const trouble = own.map((reply) => refused(reply, { node, slot })).find((one) => one !== undefined);
    return { slot, replies: own, trouble };
  });
}

function throwFirst(told: readonly Told[]): void {
  const trouble = told.find((one) => one.trouble !== undefined)?.trouble;
  if (trouble !== undefined) throw trouble;
}

export interface LoadRequest extends GroupWork {
  readonly queue: KeyQueue;
  readonly load: Load;
  readonly sizes: KeySizes;
  /** As long as the source may wait for the target in each MIGRATE, in milliseconds. */
  readonly migrateMs: number;
  /** Sends commands to the source. */
  readonly send: (commands: readonly Command[]) => Promise<Reply[]>;
}

/**
 * Sends a load of keys, and asks what is left. REPLACE is right: the source still owns these slots and serves every key that it has; what the target has of the
 * same name can only be the copy of an earlier MIGRATE whose answer was lost.
 * @throws MoveTrouble the first refusal, when everything that was answered is noted
 */
export async function sendLoad({ transfer, work, queue, load, sizes, migrateMs, send }: LoadRequest): Promise<void> {
  const { from, to } = transfer;
  const { user = 'default', password } = work.nodes.credentials;
  const migrate = ({ keys }: LoadPart): Command => [
    ...(['MIGRATE', to.address, to.port, '', 0, migrateMs, 'REPLACE'] as const),
    ...(password === undefined ? [] : ['AUTH2', user, password.reveal()]),
    ...['KEYS', ...keys],
  ];
  const ask = (slot: number): Command => ['CLUSTER', 'GETKEYSINSLOT', slot, ASKED_KEYS];
  const replies = await send([...load.parts.map(migrate), ...load.asks.map(ask)]).catch((error: unknown) => {
    for (const slot of load.asks) queue.unanswered(slot);
    throw silent(error, from.name);
  });
  await noteLeft({ queue, load, sizes, replies: replies.slice(load.parts.length) });
  const about = [...load.parts.map(({ slot }) => slot), ...load.asks];
  for (const [i, slot] of about.entries()) {
    const trouble = refused(replies[i], {
      node: i < load.parts.length ? `${from.name} → ${to.name}` : from.name,
      slot,
    });
    if (trouble !== undefined) throw trouble;
  }
}

/** An answer whose keys could not be sized is asked for once more. */
async function noteLeft(
  request: Pick<LoadRequest, 'queue' | 'load' | 'sizes'> & { readonly replies: readonly Reply[] },
) {
  const { queue, load, sizes, replies } = request;
  const named = load.asks.map(async (slot, i) => {
    if (replies[i]?.ok !== true) return queue.unanswered(slot);
    try {
      queue.named(slot, await sizes.of(keysIn(replies[i])));
    } catch (error) {
      queue.unanswered(slot);
      throw error;
    }
  });
  for (const outcome of await Promise.allSettled(named)) if (outcome.status === 'rejected') throw outcome.reason;
}
