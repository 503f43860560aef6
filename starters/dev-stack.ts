import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { ForgeError } from '../domain/errors.js';
import { canListen, freePort } from '../lab/ports.js';
import { findTemporalCli, projectToolsDir } from '../lab/temporal-cli.js';
import { findTemporalServer, startTemporalServer, type TemporalServer } from '../lab/temporal-server.js';

const LOOPBACK = '127.0.0.1';
/** Server and worker are up in some three seconds; a busy machine gets this long. */
const READY_MS = 90_000;
const STOP_MS = 70_000;
const POLL_MS = 50;

const stackState = z.strictObject({ pid: z.int(), address: z.string(), uiUrl: z.string().nullable() });
export type StackState = z.infer<typeof stackState>;

/** Where a dev stack keeps its database, its logs and what it says of itself. */
function stackFiles(dir: string) {
  return {
    state: join(dir, 'dev.json'),
    log: join(dir, 'dev.log'),
    server: join(dir, 'temporal.json'),
    serverLog: join(dir, 'temporal.log'),
    database: join(dir, 'temporal.db'),
  };
}

export interface StackPorts {
  readonly port: number;
  readonly uiPort: number;
}

/** The Temporal server of this folder: the one that an earlier, killed stack left running, or a new one on the same database. */
export async function ensureServer(dir: string, env: NodeJS.ProcessEnv, wanted: StackPorts): Promise<TemporalServer> {
  const files = stackFiles(dir);
  await mkdir(dir, { recursive: true });
  const left = await findTemporalServer(files.server);
  if (left !== null) return left;
  return startTemporalServer({
    cli: await findTemporalCli({ env, toolsDir: projectToolsDir() }),
    dbFile: files.database,
    logFile: files.serverLog,
    port: await portOrFree(wanted.port),
    ui: { port: await portOrFree(wanted.uiPort) },
    lifetime: { stateFile: files.server },
  });
}

/** A wanted port that somebody else has is no reason to fail in the first ten minutes: the address is printed. */
async function portOrFree(wanted: number): Promise<number> {
  return (await canListen(LOOPBACK, wanted)) ? wanted : freePort(LOOPBACK);
}

export async function announceStack(dir: string, server: TemporalServer): Promise<StackState> {
  const { state: file } = stackFiles(dir);
  const state = { pid: process.pid, address: server.address, uiUrl: server.uiUrl };
  await writeFile(`${file}.new`, `${JSON.stringify(state)}\n`);
  await rename(`${file}.new`, file);
  return state;
}

export async function withdrawStack(dir: string): Promise<void> {
  await rm(stackFiles(dir).state, { force: true });
}

/** The stack that runs from this folder, or `null`. */
export async function runningStack(dir: string): Promise<StackState | null> {
  const text = await readFile(stackFiles(dir).state, 'utf8').catch(() => null);
  const state = stackState.safeParse(text === null ? null : JSON.parse(text));
  return state.success && (await isStack(state.data.pid, dir)) ? state.data : null;
}

/** Starts `redisforge dev` for this folder in the background and waits until it is ready. */
export async function startDetached(dir: string, argv: readonly string[]): Promise<StackState> {
  const files = stackFiles(dir);
  await mkdir(dir, { recursive: true });
  const log = openSync(files.log, 'a');
  const child = spawn(process.execPath, [...argv], { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  child.unref();
  const end = Date.now() + READY_MS;
  while (Date.now() < end && !hasEnded(child)) {
    const state = await runningStack(dir);
    if (state !== null && state.pid === child.pid) return state;
    await pause(POLL_MS);
  }
  const tail = (await readFile(files.log, 'utf8')).trimEnd().split('\n').slice(-8).join('\n');
  throw new ForgeError('TemporalUnreachable', {
    what: `Temporal and worker did not become ready in the background. The log ends:\n${tail}`,
    left: `What was started is noted in ${dir}.`,
    next: `See ${files.log}; take it away with \`redisforge dev --stop\`.`,
  });
}

/** Ends worker and server of this folder, in order; also what a killed stack left behind. */
export async function stopStack(dir: string): Promise<void> {
  const running = await runningStack(dir);
  if (running !== null) process.kill(running.pid, 'SIGTERM');
  const end = Date.now() + STOP_MS;
  while (running !== null && (await isStack(running.pid, dir))) {
    if (Date.now() > end) process.kill(running.pid, 'SIGKILL');
    await pause(POLL_MS);
  }
  await (await findTemporalServer(stackFiles(dir).server))?.stop();
  await withdrawStack(dir);
}

/** Whether the process is still that stack: its number may have gone to another program meanwhile. */
async function isStack(pid: number, dir: string): Promise<boolean> {
  const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  return argv.includes('dev') && argv.includes(dir);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
