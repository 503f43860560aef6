import type { Command, Reply } from '../connection.js';
import { valueOf } from '../connection.js';
import type { MovingMaster, MovingNodes } from '../move/mover.js';
import { type MoveTrouble, refused, silent } from '../move/trouble.js';

/** Keys that go at once. */
const KEYS_AT_ONCE = 100;

export interface Gathering {
  readonly from: Pick<MovingMaster, 'name'>;
  readonly to: MovingMaster;
  readonly slots: readonly number[];
  readonly nodes: MovingNodes;
  /** As long as the source may wait for the target in each MIGRATE, in milliseconds. */
  readonly migrateMs: number;
  readonly signal?: AbortSignal;
  readonly moved: (keys: number) => void;
}

/**
 * Brings the keys of a node that does not own their slots to the one that will: without REPLACE, for of two copies the target's is the one that was served. The other one
 * is taken away, as Redis would do by itself (a node that loses a slot deletes its keys). Asked again it goes on with what is left.
 * @throws MoveTrouble the first refusal; ForgeError Fenced
 */
export async function gatherKeys(request: Gathering): Promise<void> {
  for (const slot of request.slots) {
    for (;;) {
      request.signal?.throwIfAborted();
      const keys = await keysOf(request, slot);
      if (keys.length === 0) break;
      await bring(request, slot, keys);
      request.moved(keys.length);
    }
  }
}

async function keysOf({ from, nodes }: Gathering, slot: number): Promise<Buffer[]> {
  const [reply] = await send(nodes, from.name, [['CLUSTER', 'GETKEYSINSLOT', slot, KEYS_AT_ONCE]]);
  const keys: unknown = valueOf(reply);
  return Array.isArray(keys) ? keys.filter((key) => Buffer.isBuffer(key)) : [];
}

const BUSY = /BUSYKEY/;

async function bring(request: Gathering, slot: number, keys: readonly Buffer[]): Promise<void> {
  const { from, nodes } = request;
  const together = troubleOf(request, slot, (await send(nodes, from.name, [migrate(request, keys)]))[0]);
  if (together === undefined) return;
  if (!BUSY.test(together.text.words)) throw together;
  const single = await send(
    nodes,
    from.name,
    keys.map((key) => migrate(request, [key])),
  );
  const troubles = single.map((reply) => troubleOf(request, slot, reply));
  const other = troubles.find((trouble) => trouble !== undefined && !BUSY.test(trouble.text.words));
  if (other !== undefined) throw other;
  const lost = keys.filter((_, i) => troubles[i] !== undefined);
  const taken = await send(
    nodes,
    from.name,
    lost.flatMap((key): Command[] => [['ASKING'], ['UNLINK', key]]),
  );
  const no = taken.map((reply) => troubleOf(request, slot, reply)).find((trouble) => trouble !== undefined);
  if (no !== undefined) throw no;
}

function troubleOf({ from, to }: Gathering, slot: number, reply: Reply | undefined): MoveTrouble | undefined {
  return refused(reply, { node: `${from.name} → ${to.name}`, slot });
}

function migrate({ to, nodes, migrateMs }: Gathering, keys: readonly Buffer[]): Command {
  const { user = 'default', password } = nodes.credentials;
  return [
    ...(['MIGRATE', to.address, to.port, '', 0, migrateMs] as const),
    ...(password === undefined ? [] : ['AUTH2', user, password.reveal()]),
    ...['KEYS', ...keys],
  ];
}

async function send(nodes: MovingNodes, name: string, commands: readonly Command[]): Promise<Reply[]> {
  return nodes.sendBytes(name, commands).catch((error: unknown) => {
    throw silent(error, name);
  });
}
