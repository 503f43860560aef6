import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { z } from 'zod';
import { ForgeError } from '../domain/errors.js';
import { SEARCH_ATTRIBUTES } from '../domain/ids.js';
import { canListen, freePort } from './ports.js';

/** Ready after about 1 s on 2 cores; a busy machine gets this long. */
const READY_MS = 60_000;
const POLL_MS = 50;
/** An orderly end takes some 100 ms. */
const STOP_MS = 10_000;

/**
 * The server reads its queues 20 times a second by default, and each step of a lone workflow waits for two reads: a step costs 100 ms
 * however fast the machine is, and about 10 ms with these. The database settings make a file as fast as memory; what was
 * acknowledged outlives a killed server. Measured; docs/lab.md has the numbers.
 */
const FAST_STEPS = [
  '--dynamic-config-value=history.transferProcessorMaxPollRPS=5000',
  '--dynamic-config-value=history.timerProcessorMaxPollRPS=5000',
  '--dynamic-config-value=history.visibilityProcessorMaxPollRPS=1000',
  '--sqlite-pragma=journal_mode=WAL',
  '--sqlite-pragma=synchronous=NORMAL',
];

export interface TemporalServerOptions {
  /** Path of the Temporal CLI (`findTemporalCli`). */
  readonly cli: string;
  /** Holds all that the server knows; the same file gives the same server after a restart. */
  readonly dbFile: string;
  readonly logFile: string;
  readonly ip?: string;
  /** Of the server itself; a free one where it is not given. */
  readonly port?: number;
  /** `none` starts no UI; a free port where it is not given. */
  readonly ui?: { readonly port: number } | 'none';
  /** `attached` ends with this process. `detached` lives on; its address is kept in `stateFile`, by which it is found and ended later. */
  readonly lifetime: 'attached' | { readonly stateFile: string };
}

export interface TemporalServer {
  /** `ip:port`, as TEMPORAL_ADDRESS takes it. */
  readonly address: string;
  readonly uiUrl: string | null;
  readonly pid: number;
  /** Orderly, by SIGTERM; killed where that takes too long. Nothing happens where it has ended already. */
  stop(): Promise<void>;
}

const serverState = z.strictObject({
  pid: z.int(),
  address: z.string(),
  uiUrl: z.string().nullable(),
  dbFile: z.string(),
});
type ServerState = z.infer<typeof serverState>;

/** Starts Temporal's dev server on a database file; it takes calls when this resolves, and knows our search attributes. */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  const ip = options.ip ?? '127.0.0.1';
  const port = options.port ?? (await freePort(ip));
  const uiPort = options.ui === 'none' ? null : (options.ui?.port ?? (await freePort(ip)));
  for (const wanted of [port, uiPort]) if (wanted !== null) await refuseTaken(ip, wanted);
  await mkdir(dirname(options.dbFile), { recursive: true });
  const child = spawnServer(options, serverArgv({ dbFile: options.dbFile, ip, port, uiPort }));
  const state: ServerState = {
    pid: child.pid ?? 0,
    address: `${ip}:${port}`,
    uiUrl: uiPort === null ? null : `http://${ip}:${uiPort}`,
    dbFile: options.dbFile,
  };
  try {
    if (options.lifetime !== 'attached') await writeState(options.lifetime.stateFile, state);
    await untilReady(child, state.address, options);
  } catch (error) {
    await endServer(state);
    throw error;
  }
  return serverOf(state, options.lifetime === 'attached' ? null : options.lifetime.stateFile);
}

/** The detached server that was started with this state file, ready; or `null` where it runs no more, or will not answer and was ended. */
export async function findTemporalServer(stateFile: string): Promise<TemporalServer | null> {
  const text = await readFile(stateFile, 'utf8').catch(() => null);
  if (text === null) return null;
  const state = serverState.safeParse(JSON.parse(text));
  if (!state.success) return null;
  const end = Date.now() + READY_MS;
  while (await isServer(state.data)) {
    if (await isReady(state.data.address)) return serverOf(state.data, stateFile);
    if (Date.now() > end) await endServer(state.data);
    await sleep(POLL_MS);
  }
  return null;
}

/** Said before the start: a server of somebody else's would answer on that port, and be taken for ours. */
async function refuseTaken(ip: string, port: number): Promise<void> {
  if (await canListen(ip, port)) return;
  throw new ForgeError('TemporalUnreachable', {
    what: `The Temporal dev server cannot be started on ${ip}:${port}: the port is taken.`,
    left: 'Nothing was started.',
    next: `See who has it with \`ss -ltnp\`, or give another port.`,
  });
}

function serverArgv({
  dbFile,
  ip,
  port,
  uiPort,
}: {
  dbFile: string;
  ip: string;
  port: number;
  uiPort: number | null;
}): string[] {
  return [
    ...['server', 'start-dev', '--ip', ip, '--port', `${port}`, '--db-filename', dbFile, '--log-level', 'warn'],
    ...(uiPort === null ? ['--headless'] : ['--ui-port', `${uiPort}`]),
    ...Object.values(SEARCH_ATTRIBUTES).map((name) => `--search-attribute=${name}=Keyword`),
    ...FAST_STEPS,
  ];
}

/**
 * In a process group of its own: Ctrl-C in a terminal is for us, and we end the server when its clients are done. With no environment of the
 * person's: TEMPORAL_ variables and profiles are meant for clients.
 */
function spawnServer({ cli, dbFile, logFile, lifetime }: TemporalServerOptions, argv: string[]): ChildProcess {
  const log = openSync(logFile, 'a');
  const child = spawn(cli, argv, { detached: true, stdio: ['ignore', log, log], env: { HOME: dirname(dbFile) } });
  closeSync(log);
  child.unref();
  if (lifetime === 'attached') {
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
  }
  return child;
}

async function untilReady(
  child: ChildProcess,
  address: string,
  { cli, logFile }: TemporalServerOptions,
): Promise<void> {
  let spawnError: Error | undefined;
  child.once('error', (error) => {
    spawnError = error;
  });
  const end = Date.now() + READY_MS;
  while (!(await isReady(address))) {
    if (spawnError === undefined && child.exitCode === null && child.signalCode === null && Date.now() < end) {
      await sleep(POLL_MS);
      continue;
    }
    const log = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-5).join(' | ');
    throw new ForgeError(
      'TemporalUnreachable',
      {
        what: `The Temporal dev server (${cli}) did not become ready on ${address}. Its log ends: ${log}`,
        left: 'The server was ended; its database file is left as it is.',
        next: `See ${logFile}; where the port is taken, give another one.`,
      },
      { cause: spawnError },
    );
  }
}

/** Ready means: the namespace can be used, with our search attributes. */
async function isReady(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: 1000 });
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
      return Object.values(SEARCH_ATTRIBUTES).every((name) => name in customAttributes);
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}

function serverOf(state: ServerState, stateFile: string | null): TemporalServer {
  return {
    address: state.address,
    uiUrl: state.uiUrl,
    pid: state.pid,
    async stop() {
      await endServer(state);
      if (stateFile !== null) await rm(stateFile, { force: true });
    },
  };
}

async function endServer(state: ServerState): Promise<void> {
  const end = Date.now() + STOP_MS;
  let said: NodeJS.Signals | undefined;
  while (await isServer(state)) {
    const signal = Date.now() < end ? 'SIGTERM' : 'SIGKILL';
    if (signal !== said) process.kill(state.pid, signal);
    said = signal;
    await sleep(POLL_MS);
  }
}

/** Whether the process is still that server: its number may have gone to another program meanwhile. */
async function isServer({ pid, dbFile }: ServerState): Promise<boolean> {
  const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return argv.split('\0').includes(dbFile);
}

async function writeState(stateFile: string, state: ServerState): Promise<void> {
  await writeFile(`${stateFile}.new`, `${JSON.stringify(state)}\n`);
  await rename(`${stateFile}.new`, stateFile);
}
