import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisNodes, startRedisNodes } from '../../test/support/redis-nodes.js';
import { type Times, watchForming } from './watch.js';

/** A server that has just started is in a hurry that a long running one is not in: redis-cli looks better on it than it is. */
export const UPTIME_MS = 3500;

/** Six running nodes, up for a while, for one formation. */
export async function withRunningNodes<T>(use: (nodes: RedisNodes) => Promise<T>): Promise<T> {
  const nodes = await startRedisNodes();
  try {
    await sleep(UPTIME_MS);
    return await use(nodes);
  } finally {
    await nodes.stop();
  }
}

/** `redis-cli --cluster create`, until the cluster that it makes takes writes. */
export async function timeRedisCli(nodes: RedisNodes): Promise<Times> {
  const [times] = await Promise.all([watchForming(nodes), create(nodes)]);
  return times;
}

async function create(nodes: RedisNodes): Promise<void> {
  const addresses = [...nodes.servers.values()].map(({ address, port }) => `${address}:${port}`);
  const argv = ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes', '--user', 'admin'];
  const child = spawn('redis-cli', argv, {
    env: { ...process.env, REDISCLI_AUTH: nodes.password.admin },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`redis-cli ended with ${code}`);
}
