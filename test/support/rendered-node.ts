import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Redis } from 'ioredis';
import { renderNodeFiles, type RenderRequest } from '../../config/render.js';
import { nodePaths } from '../../domain/nodes.js';
import type { Duty } from '../../domain/spec.js';
import { userName } from '../../domain/users.js';
import { until } from './until.js';

export interface RenderedNode {
  /** A connection of its own for each call, closed by `stop`. Fails at the first command where the login is refused. */
  connect(login: { username: string; password: string } | null): Redis;
  /** As the user for a duty, with its current secret. */
  as(duty: Duty): Redis;
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** A real redis-server that runs from the rendered files as they are: written below the host's root, started by its service file. */
export async function startRenderedNode(request: RenderRequest): Promise<RenderedNode> {
  const { spec, host, port, secrets } = request;
  const paths = nodePaths(host, port);
  const files = renderNodeFiles(request);
  await mkdir(paths.data, { recursive: true });
  await mkdir(dirname(paths.log), { recursive: true });
  for (const file of files) await writeFile(file.path, file.content, { mode: 0o600 });
  const [program, ...args] = (await readFile(paths.service, 'utf8')).trimEnd().split('\n');
  if (program === undefined) throw new Error('an empty service file');

  const log = () => readFile(paths.log, 'utf8').catch(() => '');
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const clients: Redis[] = [];
  const connect: RenderedNode['connect'] = (login) => {
    const client = new Redis({
      host: host.address,
      port,
      ...(login ?? {}),
      lazyConnect: true,
      enableReadyCheck: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    client.on('error', () => undefined);
    clients.push(client);
    return client;
  };
  const as = (duty: Duty) => connect({ username: userName(spec, duty), password: secrets[duty].current.reveal() });
  const stop = async () => {
    for (const client of clients) client.disconnect();
    await ended(child);
  };

  try {
    await until(`node ${port}`, async () => {
      if (child.exitCode !== null) throw new Error(`redis-server ended: ${printed}${await log()}`);
      const probe = as('admin');
      const pong = await probe.ping().finally(() => probe.disconnect());
      return pong === 'PONG';
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { connect, as, log, stop };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
