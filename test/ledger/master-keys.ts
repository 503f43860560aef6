import { Redis } from 'ioredis';
import type { ViewEntry } from '../../domain/observation.js';
import { parseClusterNodes } from '../../domain/parse-nodes.js';
import type { Cell } from './model.js';
import type { Login, Loss, NodeAddress } from './protocol.js';

/** Keys asked for at once. */
const SCANNED = 2000;
const PATIENCE_MS = 10_000;

interface Master {
  readonly name: string;
  readonly node: Redis;
  readonly self: ViewEntry;
}

/** Looks on every master that answers which keys of the ledger lie there: each on one, and on the one that owns its slot. */
export async function masterKeys(request: {
  readonly nodes: readonly NodeAddress[];
  readonly admin: Login;
  readonly cells: readonly Cell[];
}): Promise<{ misplaced: Loss[]; keysOn: Record<string, number> }> {
  const masters = await openMasters(request);
  try {
    const cells = new Map(request.cells.map((cell) => [cell.key, cell]));
    const placeOf = new Map<string, string>();
    const keysOn: Record<string, number> = {};
    const misplaced: Loss[] = [];
    for (const master of masters) {
      const { name, self } = master;
      const keys = await scan(master.node, (key) => cells.has(key));
      keysOn[name] = keys.size;
      for (const key of keys) {
        const cell = cells.get(key);
        if (cell === undefined) continue;
        const { slot, kind } = cell;
        const lies = { key, slot, kind, ackedAt: null };
        const elsewhere = placeOf.get(key);
        placeOf.set(key, name);
        if (elsewhere !== undefined) {
          misplaced.push({ ...lies, problem: 'twice', expected: 'on one master', found: `${elsewhere} and ${name}` });
        }
        if (!self.slots.some(([from, to]) => from <= slot && slot <= to)) {
          misplaced.push({ ...lies, problem: 'stray', expected: `where slot ${slot} is owned`, found: name });
        }
      }
    }
    return { misplaced, keysOn };
  } finally {
    for (const { node } of masters) node.disconnect();
  }
}

/** By what each node says of itself: another's view of it may be old. */
async function openMasters({ nodes, admin }: { nodes: readonly NodeAddress[]; admin: Login }): Promise<Master[]> {
  const known = new Map(nodes.map((at) => [nameOf(at), at]));
  const masters: Master[] = [];
  // Whoever answers names others, which are looked at in turn: a map is walked to what was added meanwhile.
  for (const [name, at] of known) {
    const node = await open(at, admin);
    if (node === null) continue;
    const view = parseClusterNodes(String(await node.call('CLUSTER', 'NODES')));
    for (const { address, port, flags } of view) {
      if (address !== '' && !flags.includes('noaddr')) known.set(nameOf({ address, port }), { address, port });
    }
    const self = view.find(({ flags }) => flags.includes('myself'));
    if (self !== undefined && self.masterId === null) masters.push({ name, node, self });
    else node.disconnect();
  }
  return masters;
}

function nameOf({ address, port }: NodeAddress): string {
  return `${address}:${port}`;
}

/** `null` where nobody answers: a dead node holds no keys for anybody. */
async function open({ address, port }: NodeAddress, { user, password }: Login): Promise<Redis | null> {
  const node = new Redis({
    ...{ host: address, port, username: user, password, protocol: 2 },
    ...{ lazyConnect: true, retryStrategy: () => null, connectTimeout: PATIENCE_MS, commandTimeout: PATIENCE_MS },
  });
  node.on('error', () => undefined);
  try {
    await node.connect();
    return node;
  } catch {
    node.disconnect();
    return null;
  }
}

async function scan(node: Redis, wanted: (key: string) => boolean): Promise<Set<string>> {
  const keys = new Set<string>();
  let cursor = '0';
  do {
    const [next, found] = await node.scan(cursor, 'COUNT', SCANNED);
    for (const key of found) if (wanted(key)) keys.add(key);
    cursor = next;
  } while (cursor !== '0');
  return keys;
}
