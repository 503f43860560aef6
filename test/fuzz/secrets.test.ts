import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { confValue } from '../../config/redis-quote.js';
import { renderUsers } from '../../config/render-users.js';
import { createSecretResolver, Secret, type SecretResolver } from '../../config/secrets.js';
import { ForgeError } from '../../domain/errors.js';
import { startRedis } from '../support/redis-server.js';
import { specOf } from '../support/spec.js';
import { hostileText } from './hostile.js';
import { type Check, holds, notices, SEED } from './seeded.js';

/** So many users of one server: it is started once for all of them. */
const PER_SERVER = 200;
const GOOD = 'q8Jd2Lx0vT5nRzWc';

const anyByte = fc.integer({ min: 1, max: 255 });
/** What stands in the file of a secret: text of any kind, a good secret with any byte anywhere, or any bytes. */
const secretBytes: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.string({ unit: 'binary', minLength: 16, maxLength: 60 }).map((text) => Buffer.from(text)),
  },
  { weight: 3, arbitrary: hostileText.map((text) => Buffer.from(GOOD + text + GOOD.toLowerCase())) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 127 }), fc.nat(GOOD.length))
      .map(([byte, at]) => Buffer.from(GOOD.slice(0, at) + String.fromCharCode(byte) + GOOD.slice(at))),
  },
  { weight: 1, arbitrary: fc.array(anyByte, { minLength: 1, maxLength: 80 }).map((bytes) => Buffer.from(bytes)) },
);
const batches = fc.array(secretBytes, { minLength: PER_SERVER, maxLength: PER_SERVER });

/** What carries a secret from its file to the server. */
interface Way {
  readonly resolver: SecretResolver;
  readonly aclLine: (user: string, secret: Secret) => string;
  readonly confWord: (text: string) => string;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redisforge-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const other = { current: new Secret(GOOD) };

const WAY: Way = {
  resolver: createSecretResolver({ env: {}, machine: 'here' }),
  aclLine: (user, current) => {
    const app = { name: user, keys: '~*', channels: '&*', commands: '+@all' };
    const secrets = { operator: other, replication: other, admin: other, app: { current } };
    return renderUsers(specOf({ users: { app } }), secrets).split('\n')[3] ?? '';
  },
  confWord: confValue,
};

/** Each secret is refused in words that do not hold it, or its bytes let its user in: where it came by the ACL file, and where by redis.conf. */
function letsIn({ resolver, aclLine, confWord }: Way): Check<Buffer[]> {
  return async (batch) => {
    const resolved = await Promise.all(batch.map((bytes, i) => resolvedFrom(resolver, bytes, i)));
    const users = resolved.flatMap((secret, i) =>
      secret === null ? [] : [{ name: `u${i}`, secret, bytes: withoutEnd(batch[i] ?? Buffer.of()) }],
    );
    if (batch.length === PER_SERVER) expect(users.length).toBeGreaterThan(PER_SERVER / 2);
    const [acl, conf] = [join(folder, 'users.acl'), join(folder, 'users.conf')];
    await writeFile(acl, users.map(({ name, secret }) => `${aclLine(name, secret)}\n`).join(''));
    await writeFile(conf, users.map(({ name, secret }) => confLine(name, confWord(`>${secret.reveal()}`))).join(''));
    expect(await refusedBy(['--aclfile', acl], users)).toEqual([]);
    expect(await refusedBy(['--include', conf], users)).toEqual([]);
  };
}

function confLine(user: string, password: string): string {
  return `user ${user} on ${password} ~* +@all\n`;
}

async function resolvedFrom(resolver: SecretResolver, bytes: Buffer, i: number): Promise<Secret | null> {
  const file = join(folder, `secret-${i}`);
  await writeFile(file, bytes);
  try {
    return await resolver(`file:${file}`);
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    expect(error.type).toBe('SecretUnavailable');
    const text = bytes.toString('utf8').trim();
    if (text.length > 3) expect(error.message).not.toContain(text);
    return null;
  }
}

/** As a shell's `$(cat file)` gives them to the programs of the application. */
function withoutEnd(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 10 || bytes[end - 1] === 0)) end -= 1;
  return bytes.subarray(0, end);
}

async function refusedBy(args: string[], users: readonly { name: string; bytes: Buffer }[]): Promise<string[]> {
  const server = await startRedis({ args });
  const client = new Redis({
    host: server.address,
    port: server.port,
    enableReadyCheck: false,
    retryStrategy: () => null,
  });
  try {
    const pipeline = client.pipeline();
    for (const { name, bytes } of users) pipeline.call('AUTH', name, bytes);
    const replies = (await pipeline.exec()) ?? [];
    return users
      .filter((_, i) => replies[i]?.[1] !== 'OK')
      .map(({ name, bytes }) => `${name} ${bytes.toString('hex')}`);
  } finally {
    client.disconnect();
    await server.stop();
  }
}

describe(`secrets (seed ${SEED})`, () => {
  it('let their user in, or are refused', () => holds(batches, letsIn(WAY), { inputs: PER_SERVER }));

  it.each<[string, Partial<Way>]>([
    ['were put between quotes as they are', { confWord: (text) => `"${text}"` }],
    ['were quoted without care for backslashes', { confWord: (text) => confValue(text).replaceAll('\\\\', '\\') }],
    ['were quoted as JSON', { confWord: JSON.stringify }],
    [
      'were hashed in another encoding',
      { aclLine: (user, secret) => WAY.aclLine(user, secret).replace(/#\w+/, latin1Hash(secret)) },
    ],
    ['were trimmed', { resolver: async (ref) => new Secret((await WAY.resolver(ref)).reveal().trim()) }],
    ['were said in the refusal', { resolver: (ref) => WAY.resolver(ref).catch(leak) }],
  ])('would be noticed if they %s', (_, change) =>
    notices(batches, letsIn({ ...WAY, ...change }), { inputs: PER_SERVER }),
  );
});

function latin1Hash(secret: Secret): string {
  return `#${createHash('sha256').update(secret.reveal(), 'latin1').digest('hex')}`;
}

async function leak(error: unknown): Promise<never> {
  if (!(error instanceof ForgeError)) throw error;
  const file = /file:(\S+)/.exec(error.message)?.[1] ?? '';
  throw new ForgeError(error.type, { ...error.text, what: `${error.text.what} It is ${await readFile(file, 'utf8')}` });
}
