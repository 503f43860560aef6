import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecretResolver } from '../../config/secrets.js';
import { ForgeError } from '../../domain/errors.js';
import { stayingNodes } from '../../domain/nodes.js';
import { endpoint } from '../../domain/picture.js';
import { type SmokeKey, smokeKeys, writablePrefix } from '../../domain/smoke-keys.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { StepResult } from '../../domain/steps.js';
import { userName } from '../../domain/users.js';
import { ClusterClient } from './cluster-client.js';

/** Seconds after which a key is gone even where nobody takes it away. */
const KEY_LIFE = 60;

export interface SmokeDeps {
  readonly secrets: SecretResolver;
  /** Told what goes on: a heartbeat. */
  readonly progress?: (what: string) => void;
}

/** How often it is tried again while the nodes do not agree yet. */
const AGAIN_MS = 200;

/**
 * Uses the cluster as the application will: every node that stays answers it, a key on every master is written, read and taken away again, hash tags
 * keep keys together, and a redirect leads to the owner. A node that has just come back is given two node timeouts until all know of it.
 * @throws ForgeError NotProven, Refused, NodeUnreachable, NodeAuthFailed, SecretUnavailable
 */
export async function smoke(request: { readonly spec: ClusterSpec }, deps: SmokeDeps): Promise<StepResult> {
  const end = performance.now() + 2 * request.spec.redis.nodeTimeoutMs;
  for (;;) {
    try {
      return await smokeOnce(request, deps);
    } catch (error) {
      const mayPass = error instanceof ForgeError && (error.type === 'NotProven' || error.type === 'NodeUnreachable');
      if (!mayPass || performance.now() > end) throw error;
      await sleep(AGAIN_MS);
    }
  }
}

async function smokeOnce({ spec }: { readonly spec: ClusterSpec }, deps: SmokeDeps): Promise<StepResult> {
  const prefix = writablePrefix(spec.users.app.keys);
  if (prefix === null) throw noKeyAllowed(spec);
  const credentials = { user: userName(spec, 'app'), password: await deps.secrets(spec.secrets.app.current) };
  const client = new ClusterClient({ credentials, timeoutMs: spec.timings.redisCommandMs });
  try {
    const nodes = stayingNodes(spec).map(endpoint);
    await Promise.all(nodes.map((node) => expectReply(client, node, ['PING'], 'PONG')));
    const owners = await client.slotOwners(nodes[0] ?? '');
    const token = randomBytes(6).toString('hex');
    const keys = smokeKeys({ prefix, token, ownerOf: (slot) => owners[slot] });
    deps.progress?.(`smoke test on ${keys.size} masters`);
    await useKeys(client, keys);
    return { effects: [effectText(keys, new Set(owners))] };
  } finally {
    client.close();
  }
}

async function useKeys(client: ClusterClient, keys: ReadonlyMap<string, SmokeKey>): Promise<void> {
  const list = [...keys];
  try {
    for (const [i, [owner, key]] of list.entries()) {
      const wrong = list[(i + 1) % list.length]?.[0] ?? owner;
      await redirected(client, { wrong, owner, key });
      await writtenAndRead(client, owner, key);
    }
  } finally {
    await Promise.all(list.map(([owner, { key, sibling }]) => client.follow(owner, ['DEL', key, sibling])));
  }
  for (const [owner, { key, sibling }] of list) await expectReply(client, owner, ['EXISTS', key, sibling], 0);
}

/** A node that does not own the slot has to say who does; the command is good there. */
async function redirected(
  client: ClusterClient,
  { wrong, owner, key: { key } }: { wrong: string; owner: string; key: SmokeKey },
): Promise<void> {
  if (wrong === owner) return;
  const target = await client.redirectOf(wrong, ['GET', key]);
  if (target !== owner) throw notProven(`${wrong} sent a client for a key of ${owner} to ${target ?? 'nobody'}`);
  await expectReply(client, target, ['SET', key, 'redirected', 'EX', KEY_LIFE], 'OK');
}

async function writtenAndRead(client: ClusterClient, owner: string, { key, sibling, slot }: SmokeKey): Promise<void> {
  await expectReply(client, owner, ['SET', key, 'written', 'EX', KEY_LIFE], 'OK');
  await expectReply(client, owner, ['GET', key], 'written');
  const ttl = Number(await client.follow(owner, ['TTL', key]));
  if (!(ttl > 0 && ttl <= KEY_LIFE)) throw notProven(`${owner} answered TTL ${key} with ${ttl}`);
  await expectReply(client, owner, ['CLUSTER', 'KEYSLOT', key], slot);
  await expectReply(client, owner, ['CLUSTER', 'KEYSLOT', sibling], slot);
  await expectReply(client, owner, ['SET', sibling, 'beside', 'EX', KEY_LIFE], 'OK');
}

type Words = readonly [string, ...(string | number)[]];

async function expectReply(client: ClusterClient, node: string, command: Words, wanted: string | number) {
  const got = await client.follow(node, command);
  if (got !== wanted)
    throw notProven(`${node} answered ${command.slice(0, 2).join(' ')} with ${String(got)}, not ${wanted}`);
}

function effectText(keys: ReadonlyMap<string, SmokeKey>, owners: ReadonlySet<string | undefined>): string {
  const left = [...owners].filter((owner) => owner !== undefined && !keys.has(owner));
  const missed = left.length === 0 ? '' : `; the key patterns of the application reach no slot of ${left.join(', ')}`;
  return `wrote, read and removed ${keys.size * 2} keys on ${keys.size} masters, redirects followed${missed}`;
}

function notProven(what: string): ForgeError {
  return new ForgeError('NotProven', {
    what: `The smoke test found that ${what}.`,
    left: `Its keys are gone, at the latest after ${KEY_LIFE} s.`,
    next: 'Run status to see what is wrong with the cluster.',
  });
}

function noKeyAllowed(spec: ClusterSpec): ForgeError {
  return new ForgeError('Refused', {
    what: `The smoke test cannot write as ${spec.users.app.name}: none of its key patterns (${spec.users.app.keys}) has the form "~literal*" for reading and writing.`,
    left: 'No key was written.',
    next: 'Add a pattern for it to users.app.keys, such as ~redisforge:smoke:*.',
  });
}
