import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type RedisNodes } from './redis-nodes.js';

export interface CliRun {
  readonly code: number | null;
  /** All that it printed, without colours. */
  readonly text: string;
}

export interface CliRequest {
  readonly argv: readonly string[];
  /** Of the user `admin`; it stands in no argument. */
  readonly password: string;
  /** `redis-cli` of this machine where nothing is said. */
  readonly program?: string;
}

/** Runs redis-cli (or valkey-cli) as the user `admin`, to its end. */
export async function redisCli({ argv, password, program = 'redis-cli' }: CliRequest): Promise<CliRun> {
  const child = spawn(program, ['--user', 'admin', '--no-auth-warning', ...argv], {
    env: { ...process.env, REDISCLI_AUTH: password, VALKEYCLI_AUTH: password },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, text: text.replace(/\x1b\[[0-9;]*m/g, '') };
}

/** Makes a cluster of running nodes, as a person would without us. */
export async function createByRedisCli(nodes: RedisNodes, replicas = 0): Promise<void> {
  const addresses = [...nodes.servers.values()].map(({ address, port }) => `${address}:${port}`);
  const argv = ['--cluster', 'create', ...addresses, '--cluster-replicas', `${replicas}`, '--cluster-yes'];
  const { code, text } = await redisCli({ argv, password: nodes.password.admin });
  if (code !== 0) throw new Error(`redis-cli ended with ${code}: ${text}`);
}
