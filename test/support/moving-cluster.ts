import { Cluster } from 'ioredis';
import { type Command, connectNode, type NodeConnection, valueOf } from '../../activities/redis/connection.js';
import { form } from '../../activities/redis/form.js';
import { moveSlots, type MoveSlotsDeps } from '../../activities/redis/move/move-slots.js';
import { Secret } from '../../config/secrets.js';
import { keySlot } from '../../domain/key-slot.js';
import { ownLine } from '../../domain/move-transfers.js';
import { eachSlot, ownClaims } from '../../domain/ownership.js';
import { myselfIn, parseClusterNodes } from '../../domain/parse-nodes.js';
import { place } from '../../domain/placement.js';
import type { MovedSlots, MoveSlotsStep } from '../../domain/reshape-steps.js';
import type { SlotMove } from '../../domain/slot-moves.js';
import { CONFIRMED, TOKEN } from './fence.js';
import { type Ledger, type LedgerRequest, startLedger } from './ledger.js';
import { type RedisNodes, type RedisNodesOptions, startRedisNodes } from './redis-nodes.js';

/** A formed cluster between whose masters slots are moved. */
export interface MovingCluster extends RedisNodes {
  /** Names of the masters, in the order of their slots. */
  readonly masters: readonly string[];
  /** As the user who may do everything, over a connection that stays. */
  pipeline(node: string, commands: readonly Command[]): Promise<unknown[]>;
  /** What each node says of itself. */
  ownWords(): Promise<{ name: string; id: string; view: ReturnType<typeof parseClusterNodes> }[]>;
  /** By slot, the names of the masters that claim it. */
  owners(): Promise<string[][]>;
  /** Every slot that some node has open, as `node slot`. */
  openSlots(): Promise<string[]>;
  move(moves: readonly SlotMove[], change?: MoveChange): Promise<MovedSlots>;
  /** A cluster-aware client of the application. */
  client(): Cluster;
  /** Clients of the application that write without end, and know what has to be there. */
  ledger(change?: Partial<LedgerRequest>): Promise<Ledger>;
}

export interface MoveChange extends Partial<MoveSlotsDeps> {
  readonly step?: Partial<MoveSlotsStep>;
}

export async function startMovingCluster(options: RedisNodesOptions = {}): Promise<MovingCluster> {
  const nodes = await startRedisNodes({ replicasPerMaster: 0, ...options });
  const placement = place(nodes.spec);
  await form({ spec: nodes.spec, token: TOKEN, ...placement }, { secrets: nodes.secrets, ...CONFIRMED });
  const connections = new Map<string, Promise<NodeConnection>>();
  const credentials = { user: 'admin', password: new Secret(nodes.password.admin) };
  const connection = async (node: string): Promise<NodeConnection> => {
    const open = connections.get(node);
    if (open !== undefined) return open;
    const port = Number(node.split(':')[1]);
    const opening = connectNode({ address: '127.0.0.1', port, credentials, timeoutMs: 60_000 });
    connections.set(node, opening);
    return opening;
  };
  const pipeline: MovingCluster['pipeline'] = async (node, commands) => {
    try {
      return (await (await connection(node)).pipeline(commands)).map((reply) => valueOf(reply));
    } catch (error) {
      connections.delete(node);
      throw error;
    }
  };
  const names = [...nodes.servers.keys()];
  const ownWords = async () => {
    const views = names.map(async (name) => {
      const [text] = await pipeline(name, [['CLUSTER', 'NODES']]);
      const view = parseClusterNodes(String(text));
      return { name, id: myselfIn(view), view };
    });
    return (await Promise.allSettled(views)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  };
  const clients: Cluster[] = [];
  return {
    ...nodes,
    masters: placement.masters.map(({ node }) => node),
    pipeline,
    ownWords,
    owners: async () => {
      const words = await ownWords();
      const nameOf = (id: string) => words.find((one) => one.id === id)?.name ?? id;
      return ownClaims(words).map((ids) => ids.map(nameOf));
    },
    openSlots: async () =>
      (await ownWords()).flatMap((one) => {
        const self = ownLine(one);
        return [...(self?.migrating ?? []), ...(self?.importing ?? [])].map(({ slot }) => `${one.name} ${slot}`);
      }),
    move: (moves, { step, ...deps } = {}) =>
      moveSlots(
        { spec: nodes.spec, token: { generation: 2, step: 'move', attempt: 1 }, moves, budgetMs: 60_000, ...step },
        {
          secrets: nodes.secrets,
          ...CONFIRMED,
          progress: () => undefined,
          signal: new AbortController().signal,
          ...deps,
        },
      ),
    client: () => {
      const client = new Cluster(
        [...nodes.servers.values()].map(({ address, port }) => ({ host: address, port })),
        {
          redisOptions: { username: 'app', password: nodes.password.app, enableReadyCheck: false },
          enableReadyCheck: false,
        },
      );
      client.on('error', () => undefined);
      clients.push(client);
      return client;
    },
    ledger: (change) =>
      startLedger({
        nodes: [...nodes.servers.values()].map(({ address, port }) => ({ address, port })),
        app: { user: 'app', password: nodes.password.app },
        admin: { user: 'admin', password: nodes.password.admin },
        ...change,
      }),
    stop: async () => {
      for (const client of clients) client.disconnect();
      for (const open of connections.values()) open.then((one) => one.close()).catch(() => undefined);
      await nodes.stop();
    },
  };
}

/** Keys of all types, some with a time to live, whose values follow from their number. */
export interface Material {
  readonly count: number;
  /** Milliseconds since 1970 at which keys with a time to live end. */
  readonly expireAt: number;
}

/** Writes the material straight to the owners of the slots. */
export async function fill(cluster: MovingCluster, count: number): Promise<Material> {
  const owners = await cluster.owners();
  const material = { count, expireAt: Date.now() + 3_600_000 };
  await eachOnOwner({ cluster, owners, count, commands: (n) => writing(n, material) });
  return material;
}

/** What is wrong with the material: one line a key, empty where every key is there once, with its value and its time to live. */
export async function problemsOf(cluster: MovingCluster, material: Material): Promise<string[]> {
  const owners = await cluster.owners();
  const problems: string[] = [];
  const check = (n: number, replies: readonly unknown[]) => {
    const [value, ttl] = replies;
    const [wanted, found] = [JSON.stringify(valueOfKey(n)), JSON.stringify(normal(n, value))];
    if (wanted !== found) problems.push(`${keyOf(n)}: ${found.slice(0, 80)} instead of ${wanted.slice(0, 80)}`);
    const left = hasTtl(n) ? material.expireAt - Date.now() : -1;
    if (Math.abs(Number(ttl) - left) > 5000) problems.push(`${keyOf(n)}: ${String(ttl)} ms to live instead of ${left}`);
  };
  await eachOnOwner({ cluster, owners, count: material.count, commands: reading, replies: check });
  return problems.slice(0, 20);
}

/** Keys of the whole cluster, each master's own. */
export async function keysByMaster(cluster: MovingCluster): Promise<Record<string, number>> {
  const counts = cluster.masters.map(async (node) => [node, Number((await cluster.pipeline(node, [['DBSIZE']]))[0])]);
  return Object.fromEntries(await Promise.all(counts)) as Record<string, number>;
}

/** Slots that a master holds keys of and does not own, as `node slot`. */
export async function strayKeys(cluster: MovingCluster): Promise<string[]> {
  const owners = await cluster.owners();
  const perNode = cluster.masters.map(async (node) => {
    const counts = await cluster.pipeline(
      node,
      [...owners.keys()].map((slot): Command => ['CLUSTER', 'COUNTKEYSINSLOT', slot]),
    );
    return [...owners.keys()]
      .filter((slot) => counts[slot] !== 0 && !owners[slot]?.includes(node))
      .map((s) => `${node} ${s}`);
  });
  return (await Promise.all(perNode)).flat();
}

async function eachOnOwner(request: {
  readonly cluster: MovingCluster;
  readonly owners: readonly (readonly string[])[];
  readonly count: number;
  readonly commands: (n: number) => Command[];
  readonly replies?: (n: number, replies: readonly unknown[]) => void;
}): Promise<void> {
  const { cluster, owners, count, commands, replies } = request;
  const CHUNK = 10_000;
  for (let at = 0; at < count; at += CHUNK) {
    const byNode = new Map<string, number[]>();
    for (let n = at; n < Math.min(count, at + CHUNK); n += 1) {
      const owner = owners[keySlot(keyOf(n))]?.[0] ?? '';
      byNode.set(owner, [...(byNode.get(owner) ?? []), n]);
    }
    await Promise.all(
      [...byNode].map(async ([node, numbers]) => {
        const rows = numbers.map(commands);
        const answers = await cluster.pipeline(node, rows.flat());
        let from = 0;
        for (const [i, n] of numbers.entries()) {
          const end = from + (rows[i]?.length ?? 0);
          replies?.(n, answers.slice(from, end));
          from = end;
        }
      }),
    );
  }
}

const TYPES = ['string', 'list', 'hash', 'set', 'zset', 'stream'] as const;

type Type = (typeof TYPES)[number];

function typeOf(n: number): Type {
  return TYPES[n % 20] ?? 'string';
}

function keyOf(n: number): string {
  return `material:${n}:ключ`;
}

function hasTtl(n: number): boolean {
  return n % 7 === 0;
}

function writing(n: number, { expireAt }: Material): Command[] {
  const key = keyOf(n);
  return [writeOf(n), ...(hasTtl(n) ? [['PEXPIREAT', key, expireAt] as const] : [])];
}

function writeOf(n: number): Command {
  const key = keyOf(n);
  const own = members(n);
  const write: Record<Type, () => Command> = {
    string: () => ['SET', key, `value ${n} `.repeat(1 + (n % 30))],
    list: () => ['RPUSH', key, ...own],
    hash: () => ['HSET', key, ...own.flatMap((member) => [member, `of ${member}`])],
    set: () => ['SADD', key, ...own],
    zset: () => ['ZADD', key, ...own.flatMap((member, i) => [i, member])],
    stream: () => ['XADD', key, `${n + 1}-1`, 'member', `${n}`],
  };
  return write[typeOf(n)]();
}

function reading(n: number): Command[] {
  const key = keyOf(n);
  const read = {
    string: ['GET', key],
    list: ['LRANGE', key, 0, -1],
    hash: ['HGETALL', key],
    set: ['SMEMBERS', key],
    zset: ['ZRANGE', key, 0, -1, 'WITHSCORES'],
    stream: ['XRANGE', key, '-', '+'],
  } as const satisfies Record<string, Command>;
  return [read[typeOf(n)], ['PTTL', key]];
}

function valueOfKey(n: number): unknown {
  const own = members(n);
  const value: Record<Type, () => unknown> = {
    string: () => `value ${n} `.repeat(1 + (n % 30)),
    list: () => own,
    hash: () => own.flatMap((member) => [member, `of ${member}`]).sort(),
    set: () => [...own].sort(),
    zset: () => own.flatMap((member, i) => [member, String(i)]),
    stream: () => [[`${n + 1}-1`, ['member', `${n}`]]],
  };
  return value[typeOf(n)]();
}

/** Redis names the members of some in any order. */
function normal(n: number, value: unknown): unknown {
  const unordered = ['hash', 'set'].includes(typeOf(n));
  return unordered && Array.isArray(value) ? value.map(String).sort() : value;
}

/** Some collections are large enough to leave their compact encodings. */
function members(n: number): string[] {
  return Array.from({ length: n % 1000 < 20 ? 700 : 1 + (n % 5) }, (_, i) => `member ${n} ${i}`);
}

/** The slots that a master owns first, as many as wanted. */
export async function firstSlotsOf(cluster: MovingCluster, node: string, count: number): Promise<SlotMove['ranges']> {
  const owners = await cluster.owners();
  const own = [...owners.keys()].filter((slot) => owners[slot]?.[0] === node).slice(0, count);
  return [[own[0] ?? 0, own.at(-1) ?? 0]];
}

export function slotsOf(ranges: SlotMove['ranges']): number[] {
  return [...eachSlot(ranges)];
}
