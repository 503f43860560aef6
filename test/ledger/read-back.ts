import { Cluster } from 'ioredis';
import { type Cell, digest, lostSince, textOf, type Value } from './model.js';
import { masterKeys } from './master-keys.js';
import type { Login, Loss, NodeAddress, Problem, VerifyRequest } from './protocol.js';

export interface ReadBackRequest extends VerifyRequest {
  readonly nodes: readonly NodeAddress[];
  readonly app: Login;
  readonly admin: Login;
  readonly cells: readonly Cell[];
}

export interface ReadBack {
  readonly keysRead: number;
  readonly keysOn: Readonly<Record<string, number>>;
  readonly losses: readonly Loss[];
}

/** Of an expiry, milliseconds: a key that is moved gets the time that was left when it was read, and a key's own time is known from sending to reply. */
const TTL_TOLERANCE = 2000;
/** Reads under way at once. */
const AT_ONCE = 400;

/** What was read of one key. */
interface Found {
  readonly value: Value;
  /** PEXPIRETIME: milliseconds since 1970, -1 for never, -2 where there is no key. */
  readonly expiresAt: number;
}

/** Reads every key through the cluster as any client does, and then looks on each master which keys lie there. */
export async function readBack(request: ReadBackRequest): Promise<ReadBack> {
  const { cells, ttlTolerance = TTL_TOLERANCE } = request;
  const unspoilt = cells.filter(({ state, version }) => state !== 'spoilt' && version > 0);
  const client = patientClient(request);
  const losses: Loss[] = [];
  try {
    for (let from = 0; from < unspoilt.length; from += AT_ONCE) {
      const some = unspoilt.slice(from, from + AT_ONCE);
      const found = await Promise.all(some.map((cell) => read(client, cell)));
      for (const [i, cell] of some.entries()) {
        const loss = judge(cell, { found: found[i], tolerance: ttlTolerance });
        if (loss !== null) losses.push(loss);
      }
    }
  } finally {
    client.disconnect();
  }
  const { misplaced, keysOn } = await masterKeys(request);
  return { keysRead: unspoilt.length, keysOn, losses: [...losses, ...misplaced] };
}

/** Takes all these keys away. */
export async function removeKeys(
  request: Pick<ReadBackRequest, 'nodes' | 'app'> & { keys: readonly string[] },
): Promise<void> {
  const client = patientClient(request);
  try {
    for (let from = 0; from < request.keys.length; from += AT_ONCE) {
      await Promise.all(request.keys.slice(from, from + AT_ONCE).map((key) => client.unlink(key)));
    }
  } finally {
    client.disconnect();
  }
}

function patientClient({ nodes, app }: Pick<ReadBackRequest, 'nodes' | 'app'>): Cluster {
  const client = new Cluster(
    nodes.map(({ address, port }) => ({ host: address, port })),
    { redisOptions: { username: app.user, password: app.password, protocol: 2, commandTimeout: 15_000 } },
  );
  client.on('error', () => undefined);
  return client;
}

async function read(client: Cluster, { key, kind }: Cell): Promise<Found | string> {
  try {
    const [value, expiresAt] = await Promise.all([valueOf(client, { key, kind }), client.pexpiretime(key)]);
    return { value, expiresAt };
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return error.message;
    throw error;
  }
}

async function valueOf(client: Cluster, { key, kind }: Pick<Cell, 'key' | 'kind'>): Promise<Value> {
  if (kind === 'hash') {
    const fields = await client.hgetall(key);
    return Object.keys(fields).length === 0 ? { type: 'absent' } : { type: 'hash', fields };
  }
  if (kind === 'list') {
    const items = await client.lrange(key, 0, -1);
    return items.length === 0 ? { type: 'absent' } : { type: 'list', items };
  }
  const text = await client.get(key);
  return text === null ? { type: 'absent' } : { type: 'string', text, expires: null };
}

interface Judged {
  readonly found: Found | string | undefined;
  readonly tolerance: number;
}

/** What is wrong with a key, or `null`. */
function judge(cell: Cell, { found, tolerance }: Judged): Loss | null {
  const { key, slot, kind, possible } = cell;
  const [expected] = possible;
  if (expected === undefined) throw new Error('a cell holds something');
  const loss = (problem: Problem, words: string, ackedAt: number | null): Loss => ({
    problem,
    key,
    slot,
    kind,
    expected: words === '' ? digest(expected) : words,
    found: found === undefined || typeof found === 'string' ? `${found}` : digest(found.value),
    ackedAt,
  });
  if (found === undefined || typeof found === 'string') return loss('foreign', '', null);
  if (possible.some((value) => fits(value, found, tolerance))) return null;
  const same = possible.find((value) => digest(value) === digest(found.value));
  if (same !== undefined) return ttlLoss(same, found, loss);
  const since = lostSince(cell, digest(found.value));
  if (found.value.type === 'absent') {
    const mortal = expected.type === 'string' && expected.expires !== null;
    return loss(mortal ? 'gone too early' : 'missing', '', since);
  }
  if (!isOwn(cell, found.value)) return loss('foreign', '', null);
  return loss(expected.type === 'absent' ? 'resurrected' : 'lost update', '', since);
}

function ttlLoss(
  expected: Value,
  { expiresAt }: Found,
  loss: (problem: Problem, words: string, ackedAt: null) => Loss,
): Loss {
  const expires = expected.type === 'string' ? expected.expires : null;
  if (expires === null) return loss('a TTL that nobody set', `no TTL, and it expires at ${expiresAt}`, null);
  const words = `to expire at ${expires[0]}, and it expires at ${expiresAt}`;
  return loss(expiresAt === -1 ? 'no TTL' : 'wrong TTL', words, null);
}

function fits(value: Value, { value: read, expiresAt }: Found, tolerance: number): boolean {
  const expires = value.type === 'string' ? value.expires : null;
  if (expires === null) return digest(value) === digest(read) && expiresAt < 0;
  const [earliest, latest] = [expires[0] - tolerance, expires[1] + tolerance];
  if (read.type === 'absent' || expiresAt === -2) return Date.now() >= earliest;
  return digest(value) === digest(read) && earliest <= expiresAt && expiresAt <= latest;
}

/** Whether it is something that was written once. */
function isOwn({ key, kind, version }: Cell, found: Value): boolean {
  const ours = (text: string) => {
    const at = Number(text.slice(key.length + 1));
    return at <= version + 1 && text === textOf(key, at);
  };
  switch (found.type) {
    case 'absent':
      return true;
    case 'string':
      return kind === 'counter' ? Number(found.text) <= version + 1 : ours(found.text);
    case 'hash':
      return Object.values(found.fields).every(ours);
    case 'list':
      return found.items.every((text, i) => text === textOf(key, i + 1));
  }
}
