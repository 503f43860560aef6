import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { withNode } from '../../activities/redis/connection.js';
import { FormingNodes } from '../../activities/redis/forming-nodes.js';
import type { SecretResolver } from '../../config/secrets.js';
import { planFormation } from '../../domain/formation.js';
import { keySlot } from '../../domain/key-slot.js';
import { type DeclaredNode, declaredNodes } from '../../domain/nodes.js';
import { place } from '../../domain/placement.js';
import type { SlotRange } from '../../domain/slots.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { userName } from '../../domain/users.js';

const POLL_MS = 10;
const LISTEN_POLL_MS = 50;
const DEADLINE_MS = 60_000;

export interface Times {
  /** Until every node says ok and every master takes a write. */
  readonly writableMs: number;
  /** Until all views agree and every replica is in sync. */
  readonly inSyncMs: number;
}

export interface Watched {
  readonly spec: ClusterSpec;
  readonly secrets: SecretResolver;
}

type Seen = Awaited<ReturnType<FormingNodes['look']>>;

/** The same eyes for both sides: looks every 10 ms until the cluster is formed, whoever forms it. Times are from the call on. */
export async function watchForming(watched: Watched): Promise<Times> {
  const startedAt = performance.now();
  await Promise.all(declaredNodes(watched.spec).map(untilItListens));
  const eyes = new FormingNodes(watched.spec, {
    credentials: {
      user: userName(watched.spec, 'operator'),
      password: await watched.secrets(watched.spec.secrets.operator.current),
    },
    raiseAgain: () => Promise.resolve(),
  });
  const wanted = place(watched.spec);
  let writableMs: number | undefined;
  try {
    for (;;) {
      const seen = await eyes.look();
      const plan = planFormation({ wanted, observation: { nodes: seen } });
      if (writableMs === undefined && (await takesWrites(watched, seen))) writableMs = performance.now() - startedAt;
      const passed = performance.now() - startedAt;
      if (writableMs !== undefined && plan.settled && plan.waitingFor.length === 0)
        return { writableMs, inSyncMs: passed };
      if (passed > DEADLINE_MS) throw new Error(`not formed: ${plan.waitingFor.join('; ')}`);
      await sleep(POLL_MS);
    }
  } finally {
    eyes.close();
  }
}

/** Bare hosts have nothing to be asked yet; to ask them all the same would take the processor from those who are at work. */
async function untilItListens({ address, port }: DeclaredNode): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!(await takesConnections(address, port))) {
    if (performance.now() > end) throw new Error(`nothing listens on ${address}:${port}`);
    await sleep(LISTEN_POLL_MS);
  }
}

function takesConnections(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (listens: boolean) => {
      socket.destroy();
      resolve(listens);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

async function takesWrites(watched: Watched, seen: Seen): Promise<boolean> {
  const masters = seen.flatMap((node) => {
    if (!node.answered || node.clusterState !== 'ok') return [];
    const [range] = node.view.find(({ id }) => id === node.id)?.slots ?? [];
    return range === undefined ? [] : [{ name: node.name, range }];
  });
  if (masters.length !== watched.spec.shape.masters) return false;
  if (!seen.every((node) => node.answered && node.clusterState === 'ok')) return false;
  const writes = masters.map(({ name, range }) => set(watched, name, keyIn(range)).catch(() => 'refused'));
  return (await Promise.all(writes)).every((reply) => reply === 'OK');
}

async function set({ spec, secrets }: Watched, name: string, key: string): Promise<unknown> {
  const node = declaredNodes(spec).find((declared) => declared.name === name);
  if (node === undefined) throw new Error(`no node ${name}`);
  const credentials = { user: userName(spec, 'admin'), password: await secrets(spec.secrets.admin.current) };
  return withNode({ ...node, credentials, timeoutMs: 2000 }, (connection) => connection.ask('SET', key, 'written'));
}

function keyIn([from, to]: SlotRange): string {
  for (let i = 0; ; i += 1) {
    const slot = keySlot(`bench:${i}`);
    if (slot >= from && slot <= to) return `bench:${i}`;
  }
}
