import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../test/support/ports.js';

const SOURCE = fileURLToPath(new URL('relay.c', import.meta.url));
/** From a node's port to that of its bus. */
const TO_BUS = 10_000;

export interface Relay {
  /** In the order of the nodes' own ports: where they are reached with the delay. */
  readonly ports: readonly number[];
  close(): Promise<void>;
}

/**
 * Puts every node behind a port of its own where each way takes so many microseconds longer, that of its bus as well. A program of its own, for which a C compiler
 * is needed: Node's timers count in milliseconds, and it must not take much of the processor from those that are measured.
 */
export async function startRelay(nodes: readonly number[], delayUs: number): Promise<Relay> {
  const ports = await freePorts(nodes.length);
  const pairs = nodes.flatMap((port, i) => {
    const near = ports[i] ?? 0;
    return [`${near}:${port}`, `${near + TO_BUS}:${port + TO_BUS}`];
  });
  const folder = await mkdtemp(join(tmpdir(), 'redisforge-relay-'));
  const program = join(folder, 'relay');
  execFileSync('cc', ['-O2', '-o', program, SOURCE]);
  const child = spawn(program, [`${delayUs}`, ...pairs], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const words = await Promise.race([once(child.stdout, 'data'), ended]);
  if (!String(words[0]).startsWith('listening')) throw new Error('the relay did not start');
  return {
    ports,
    close: async () => {
      child.stdin.end();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
