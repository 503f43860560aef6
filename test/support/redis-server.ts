import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { until } from './until.js';

export interface RedisServer {
  readonly address: string;
  readonly port: number;
  readonly dir: string;
  readonly pid: number;
  /** Orderly: SIGTERM, waits for the end, removes the folder. */
  stop(): Promise<void>;
  /** SIGKILL; the folder stays, so that `restart` finds its data. */
  kill(): Promise<void>;
  /** SIGSTOP: the port is open and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on the same port and folder. */
  restart(): Promise<void>;
  log(): Promise<string>;
}

export interface RedisServerOptions {
  readonly address?: string;
  readonly port?: number;
  /** The server program; the one of this machine where nothing is said. */
  readonly program?: string;
  /** Further words of the command line, such as `['--cluster-enabled', 'yes']`; they win over ours. */
  readonly args?: readonly string[];
}

const running = new Set<{ child: ChildProcess | undefined; dir: string }>();

process.once('exit', () => {
  for (const { child, dir } of running) {
    child?.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
});

/** A real redis-server in a temporary folder, answering when this resolves; it never outlives the test process. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const address = options.address ?? '127.0.0.1';
  const port = options.port ?? (await freePort(address));
  const dir = await mkdtemp(join(tmpdir(), 'redisforge-redis-'));
  const log = join(dir, 'redis.log');
  const argv = ['--bind', address, '--port', `${port}`, '--dir', dir, '--logfile', log, '--save', ''];
  const held: { child: ChildProcess | undefined; dir: string } = { child: undefined, dir };
  running.add(held);

  const start = async () => {
    const child = spawn(options.program ?? 'redis-server', [...argv, ...(options.args ?? [])], { stdio: 'ignore' });
    held.child = child;
    const ended = () => child.exitCode !== null || child.signalCode !== null;
    await until(`redis-server on ${address}:${port}`, () => ended() || acceptsConnections(address, port));
    if (ended()) throw new Error(await readFile(log, 'utf8').catch(() => 'it ended without a log'));
  };
  const end = async (signal: NodeJS.Signals) => {
    const child = held.child;
    held.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    child.kill('SIGCONT');
    await ended;
  };

  await start();
  return {
    address,
    port,
    dir,
    get pid() {
      return held.child?.pid ?? 0;
    },
    stop: async () => {
      await end('SIGTERM');
      running.delete(held);
      await rm(dir, { recursive: true, force: true });
    },
    kill: () => end('SIGKILL'),
    freeze: () => void held.child?.kill('SIGSTOP'),
    thaw: () => void held.child?.kill('SIGCONT'),
    restart: async () => {
      await end('SIGTERM');
      await start();
    },
    log: () => readFile(log, 'utf8'),
  };
}

function acceptsConnections(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
