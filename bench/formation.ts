/**
 * Side by side in one run, alternating: `redis-cli --cluster create` on six running nodes against ours on six nodes like them, until the cluster takes
 * writes: every node says cluster_state:ok and a SET on each master is taken. Both are watched by the same eyes.
 *
 *   npx tsx bench/formation.ts [rounds]
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { form } from '../activities/redis/form.js';
import { FormingNodes } from '../activities/redis/forming-nodes.js';
import { planFormation } from '../domain/formation.js';
import { keySlot } from '../domain/key-slot.js';
import { place } from '../domain/placement.js';
import type { SlotRange } from '../domain/slots.js';
import { type RedisNodes, startRedisNodes } from '../test/support/redis-nodes.js';

/** A server that has just started is in a hurry that a long running one is not in: redis-cli looks better on it than it is. */
const UPTIME_MS = 3500;
const POLL_MS = 10;
const DEADLINE_MS = 60_000;

interface Times {
  /** Until every node says ok and every master takes a write. */
  readonly writableMs: number;
  /** Until all views agree and every replica is in sync. */
  readonly inSyncMs: number;
}

async function round(create: (nodes: RedisNodes) => Promise<void>): Promise<Times & { readonly version: string }> {
  const nodes = await startRedisNodes();
  try {
    await sleep(UPTIME_MS);
    const startedAt = performance.now();
    const [times] = await Promise.all([watch(nodes, startedAt), create(nodes)]);
    const info = String(await nodes.admin([...nodes.servers.keys()][0] ?? '', 'INFO', 'server'));
    return { ...times, version: /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown' };
  } finally {
    await nodes.stop();
  }
}

async function watch(nodes: RedisNodes, startedAt: number): Promise<Times> {
  const eyes = new FormingNodes(nodes.spec, await nodes.secrets(nodes.spec.secrets.operator.current));
  const wanted = place(nodes.spec);
  let writableMs: number | undefined;
  try {
    for (;;) {
      const seen = await eyes.look();
      const plan = planFormation({ wanted, observation: { nodes: seen } });
      if (writableMs === undefined && (await takesWrites(nodes, seen))) writableMs = performance.now() - startedAt;
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

async function takesWrites(nodes: RedisNodes, seen: Awaited<ReturnType<FormingNodes['look']>>): Promise<boolean> {
  const masters = seen.flatMap((node) => {
    if (!node.answered || node.clusterState !== 'ok') return [];
    const [range] = node.view.find(({ id }) => id === node.id)?.slots ?? [];
    return range === undefined ? [] : [{ name: node.name, range }];
  });
  if (masters.length !== 3 || !seen.every((node) => node.answered && node.clusterState === 'ok')) return false;
  const writes = masters.map(({ name, range }) =>
    nodes.admin(name, 'SET', keyIn(range), 'written').catch(() => 'refused'),
  );
  return (await Promise.all(writes)).every((reply) => reply === 'OK');
}

function keyIn([from, to]: SlotRange): string {
  for (let i = 0; ; i += 1) {
    const slot = keySlot(`bench:${i}`);
    if (slot >= from && slot <= to) return `bench:${i}`;
  }
}

async function createByRedisCli(nodes: RedisNodes): Promise<void> {
  const addresses = [...nodes.servers.values()].map(({ address, port }) => `${address}:${port}`);
  const argv = ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes', '--user', 'admin'];
  const child = spawn('redis-cli', argv, {
    env: { ...process.env, REDISCLI_AUTH: nodes.password.admin },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`redis-cli ended with ${code}`);
}

async function createByUs(nodes: RedisNodes): Promise<void> {
  await form({ spec: nodes.spec, ...place(nodes.spec) }, { secrets: nodes.secrets });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function summary(times: readonly Times[]): Times {
  return {
    writableMs: Math.round(median(times.map(({ writableMs }) => writableMs))),
    inSyncMs: Math.round(median(times.map(({ inSyncMs }) => inSyncMs))),
  };
}

const rounds = Number(process.argv[2] ?? 3);
const theirs: Times[] = [];
const ours: Times[] = [];
let engine = '';
for (let i = 1; i <= rounds; i += 1) {
  const { version, ...their } = await round(createByRedisCli);
  const { version: _, ...our } = await round(createByUs);
  theirs.push(their);
  ours.push(our);
  engine = `redis ${version}`;
  console.log(`round ${i}: redis-cli ${line(their)}; RedisForge ${line(our)}`);
}
const [redisCli, redisForge] = [summary(theirs), summary(ours)];
const ratio = {
  writable: Number((redisCli.writableMs / redisForge.writableMs).toFixed(2)),
  inSync: Number((redisCli.inSyncMs / redisForge.inSyncMs).toFixed(2)),
};
console.log(`median:  redis-cli ${line(redisCli)}; RedisForge ${line(redisForge)}`);
console.log(
  `ratio:   ${ratio.writable}x until it takes writes, ${ratio.inSync}x until all views agree and replicas are in sync`,
);
const result = {
  commit: execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim(),
  engine,
  rounds,
  cores: cpus().length,
  uptimeMs: UPTIME_MS,
  redisCli: { median: redisCli, rounds: theirs },
  redisForge: { median: redisForge, rounds: ours },
  ratio,
};
const file = new URL('./results/formation.json', import.meta.url);
mkdirSync(new URL('.', file), { recursive: true });
writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);

function line({ writableMs, inSyncMs }: Times): string {
  return `takes writes after ${Math.round(writableMs)} ms, in sync after ${Math.round(inSyncMs)} ms`;
}
