import { isIP } from 'node:net';
import { z } from 'zod';
import { installSchema } from './schema-install.js';
import { choice, path, section, text, whole } from './schema-words.js';
import type { SecretRef } from '../domain/spec.js';
import { execRef, isVector, parseSecretRef, SECRET_WORD } from '../domain/secret-ref.js';
import { DURATION_TEXT, parseDuration, parseSize, SIZE_TEXT } from './units.js';

/*
 * The shape of the file as people write it. Every `error` says what would be right; `problems.ts` adds what was found and where. Which values go
 * together is not looked at here but in `domain/spec-rules.ts`.
 */

function measured({ pattern, parse }: { pattern: RegExp; parse: (text: string) => number | null }, right: string) {
  const number = z.int({ error: right }).min(0, { error: right });
  return z
    .union([z.string({ error: right }).regex(pattern, { error: right }), number], { error: right })
    .describe(right)
    .transform((value, context) => {
      const parsed = typeof value === 'number' ? value : parse(value);
      if (parsed !== null) return parsed;
      context.addIssue({ code: 'custom', message: right });
      return z.NEVER;
    });
}

const size = measured({ pattern: SIZE_TEXT, parse: parseSize }, 'a size such as 256mb or 4gb, or a number of bytes');
const duration = measured(
  { pattern: DURATION_TEXT, parse: parseDuration },
  'a duration such as 5s or 500ms, or a number of milliseconds',
);
const flag = z.boolean({ error: 'true or false' });
const seconds = duration.refine((ms) => ms % 1000 === 0, { error: 'a duration in whole seconds, such as 10s' });

const NAME = 'lower-case letters, digits and dashes, beginning with a letter';
const sentence = text(/\S/, 'a sentence that says why').max(300, { error: 'a shorter sentence' });
/**
 * Folders of the system, in which `bin`, `nodes` and `jobs` would not be ours. Nothing that a shell's or a terminal's reader could take for more than a
 * name: no control or invisible characters, no backslash, no `.` or `..`.
 */
const SYSTEM_FOLDERS =
  /^\/(usr|var|etc|home|root|srv|opt|mnt|media|run|tmp|dev|proc|sys|boot|s?bin|lib[0-9x]*|usr\/local|usr\/share|usr\/s?bin|usr\/lib[0-9x]*|var\/lib|var\/log|var\/run|var\/tmp|var\/cache|var\/spool|etc\/.*|dev\/(?!shm\/).*|proc\/.*|sys\/.*|boot\/.*)$/;
const ROOT_RIGHT = 'an absolute path of a folder of its own on the hosts, such as /var/lib/redisforge';
const root = text(
  /^(\/(?!\.{1,2}(\/|$))[^\0-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\\/]+)+$/,
  ROOT_RIGHT,
).refine((folder) => !SYSTEM_FOLDERS.test(folder), { error: ROOT_RIGHT });
const port = whole(1, 65535, 'a port');
/** The cluster bus listens 10000 ports higher. */
const nodePort = whole(1, 55535, 'a port (the cluster bus takes the one 10000 above it)');
const ADDRESS_RIGHT = 'an IP address at which clients and the other hosts reach this one';
const address = z
  .string({ error: 'an IP address' })
  .refine((value) => isIP(value) !== 0 && !/^(0\.0\.0\.0|::)$/.test(value), { error: ADDRESS_RIGHT })
  .describe(ADDRESS_RIGHT);

const hostKey = text(
  /^(ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]+={0,3}$/,
  'a line `algorithm base64` as `ssh-keyscan` prints it after the host name, such as `ssh-ed25519 AAAA…`',
);

const sshFields = {
  user: text(/^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*$/, 'a login name').exactOptional(),
  port: port.exactOptional(),
  identityFile: path.exactOptional(),
  agent: z.literal(true, { error: 'true, or leave it out and name an identityFile' }).exactOptional(),
  hostKeys: z
    .array(hostKey, { error: 'a list of host keys' })
    .min(1, { error: 'at least one host key' })
    .exactOptional(),
  knownHosts: path.exactOptional(),
};

/** Of hosts, not of a jump host: nothing is run there. */
const sudo = flag.exactOptional();
const sshHost = text(/^[A-Za-z0-9_.:-]+$/, 'a host name or address').exactOptional();
const jump = section({ ...sshFields, host: text(/^[A-Za-z0-9_.:-]+$/, 'a host name or address') }).exactOptional();

const leaving = choice(['drain', 'lost']).exactOptional();
const node = z.union([nodePort, section({ port: nodePort, leaving })], {
  error: 'a port from 1 to 55535, or {port: …}',
});

const host = section({
  name: text(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits, dots and dashes'),
  zone: text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'letters, digits, dots and dashes'),
  address,
  root: root.exactOptional(),
  ssh: section({ ...sshFields, sudo, host: sshHost, jump }).exactOptional(),
  nodes: z
    .array(node, { error: 'a list of ports' })
    .min(1, { error: 'at least one port' })
    .prefault([6379])
    .transform((nodes) => nodes.map((entry) => (typeof entry === 'number' ? { port: entry } : entry))),
});

const SECRET_RIGHT =
  'a reference, env:NAME, file:PATH, exec:/PROGRAM or {exec: [/PROGRAM, argument, …]}; the secret itself has no place in this file';
const secretWord = text(SECRET_WORD, SECRET_RIGHT).transform((word, context): SecretRef => {
  const ref = parseSecretRef(word);
  if (ref !== null) return ref;
  context.addIssue({ code: 'custom', message: SECRET_RIGHT });
  return z.NEVER;
});
const VECTOR_RIGHT = 'a program by its absolute path and its arguments, such as [/usr/bin/pass, show, redis/orders]';
const secretProgram = section({
  exec: z
    .array(z.string({ error: VECTOR_RIGHT }), { error: VECTOR_RIGHT })
    .refine(isVector, { error: VECTOR_RIGHT })
    .describe(VECTOR_RIGHT),
}).transform(({ exec }) => execRef(exec));
const secretRef = z.union([secretWord, secretProgram], { error: SECRET_RIGHT });
const secret = z.union(
  [
    secretWord.transform((current) => ({ current })),
    section({ current: secretRef, next: secretRef.exactOptional() }),
    secretProgram.transform((current) => ({ current })),
  ],
  { error: `${SECRET_RIGHT}; or {current: …, next: …} during a rotation` },
);

const tokens = (token: RegExp, right: string) =>
  text(/^\S/, right).refine((value) => value.split(/\s+/).every((part) => token.test(part)), { error: right });

const RESERVED_USERS = /^(?!default$|admin$|redisforge-)[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const app = section({
  name: text(RESERVED_USERS, 'letters, digits, dots and dashes; not default, admin or redisforge-…').prefault('app'),
  keys: tokens(/^(~|%(R|W|RW)~)[\x21-\x7e]+$/, 'key patterns, such as ~orders:* ~cart:*').prefault('~*'),
  channels: tokens(/^&[\x21-\x7e]+$/, 'channel patterns, such as &orders:*').prefault('&*'),
  commands: tokens(
    /^[+-]@?[a-z0-9|_.-]+$/i,
    'rights to commands, such as +@read +@write -keys; a user never goes without a password (no nopass)',
  ).prefault('+@all -@admin -@dangerous +info'),
});

const shape = section({
  masters: whole(1, 1000, 'the number of masters'),
  replicasPerMaster: whole(0, 5, 'the number of replicas of each master').prefault(1),
  extraReplicas: whole(1, 1000, 'a number of replicas').exactOptional(),
  withoutReplicas: sentence.exactOptional(),
  sharedZones: sentence.exactOptional(),
});

const redis = section({
  maxmemory: size.exactOptional(),
  maxmemoryPolicy: choice([
    'noeviction',
    'allkeys-lru',
    'allkeys-lfu',
    'allkeys-random',
    'volatile-lru',
    'volatile-lfu',
    'volatile-random',
    'volatile-ttl',
  ]).exactOptional(),
  maxclients: whole(1, 1_000_000, 'a number of clients').prefault(10_000),
  nofile: whole(64, 10_000_000, 'a number of open files').prefault(16_384),
  nodeTimeout: duration.prefault('5s'),
  minReplicasToWrite: whole(0, 5, 'a number of replicas').prefault(0),
  minReplicasMaxLag: seconds.prefault('10s'),
  protectedMode: flag.prefault(true),
  requireFullCoverage: flag.prefault(false),
  replBacklog: size.prefault('64mb'),
  replicaMigration: choice(['pinned', 'free']).prefault('pinned'),
  extra: z
    .record(
      text(/^[a-z][a-z0-9-]*$/, 'a directive of redis.conf'),
      z
        .union([text(/^[^\0\r\n]*$/, 'one line'), z.number(), z.boolean()], { error: 'one line of text' })
        .transform((value) => (typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value).trim())),
      { error: 'a mapping from directives of redis.conf to their values' },
    )
    .prefault({}),
});

const persistence = section({
  data: choice(['durable', 'cache']).prefault('durable'),
  appendonly: flag.exactOptional(),
  appendfsync: choice(['always', 'everysec', 'no']).prefault('everysec'),
  save: text(
    /^(\d+ \d+( \d+ \d+)*)?$/,
    'pairs of seconds and changes, such as "3600 1 300 100", or "" for none',
  ).exactOptional(),
});

const moves = section({
  mover: choice(['auto', 'keys']).prefault('auto'),
  maxKeysPerSecond: whole(1, 100_000_000, 'a number of keys').exactOptional(),
  targetP99: duration.exactOptional(),
  bigKey: size.prefault('64mb'),
  bigKeys: choice(['move', 'refuse']).prefault('move'),
});

const balance = section({
  by: choice(['slots', 'memory']).prefault('slots'),
  threshold: z.number({ error: 'percent' }).min(0, { error: 'percent' }).max(100, { error: 'percent' }).prefault(2),
  weights: z
    .record(
      text(/^\S+:\d+$/, 'the name of a node, host:port'),
      z.number({ error: 'a number' }).min(0, { error: '0 or more' }),
      {
        error: 'a mapping from nodes to their weights',
      },
    )
    .prefault({}),
});

const timings = section({
  sshConnect: duration.prefault('10s'),
  command: duration.prefault('30s'),
  redisCommand: duration.prefault('5s'),
  install: duration.prefault('10m'),
  start: duration.prefault('30s'),
  form: duration.prefault('60s'),
  poll: duration.prefault('100ms'),
  moveBatch: duration.prefault('5s'),
  banWindow: duration.prefault('65s'),
  heartbeat: duration.prefault('5s'),
  hostParallelism: whole(1, 256, 'a number of hosts').prefault(8),
});

export const specSchema = section({
  apiVersion: z.literal('redisforge/v1', { error: 'redisforge/v1' }),
  name: text(/^[a-z][a-z0-9-]{0,61}$/, NAME),
  uid: text(
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    'a UUID in lower case, made once for this cluster by `uuidgen` and never changed',
  ),
  engine: section({
    kind: choice(['redis', 'valkey']).prefault('redis'),
    version: text(/^\d+\.\d+(\.\d+)?$/, 'a version in quotes, such as "7.0" or "7.0.15"'),
  }),
  mode: z.literal('cluster', { error: 'cluster' }).prefault('cluster'),
  shape,
  root: root.prefault('/var/lib/redisforge'),
  ssh: section({ ...sshFields, sudo, jump }).prefault({}),
  hosts: z.array(host, { error: 'a list of hosts' }).min(1, { error: 'at least one host' }),
  install: installSchema,
  service: section({
    method: choice(['process', 'systemd']).prefault('systemd'),
    user: text(/^[a-z_][a-z0-9_-]{0,30}$/, 'the name of a system account, such as redis').exactOptional(),
  }).prefault({}),
  os: section({
    profile: choice(['apply', 'report', 'off']).exactOptional(),
    denied: choice(['accept', 'refuse']).prefault('accept'),
  }).prefault({}),
  redis: redis.prefault({}),
  persistence: persistence.prefault({}),
  moves: moves.prefault({}),
  balance: balance.exactOptional(),
  users: section({ app: app.prefault({}) }).prefault({}),
  secrets: section(
    { operator: secret, replication: secret, app: secret, admin: secret },
    ': no node runs without authentication, least of all with redis.protectedMode: false',
  ),
  timings: timings.prefault({}),
});

/** A spec as it stands in the file: what `writeSpec` takes. */
export type SpecDraft = z.input<typeof specSchema>;

/** A spec with its units read and its own defaults in place; `complete.ts` makes a ClusterSpec of it. */
export type SpecDocument = z.output<typeof specSchema>;

export type SshDocument = NonNullable<SpecDocument['hosts'][number]['ssh']>;
export type JumpDocument = NonNullable<SshDocument['jump']>;
