import { readdir, readFile, readlink } from 'node:fs/promises';
import { sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeError } from '../domain/errors.js';

/** Set in the environment of every process of a lab host; its value is the host's folder. */
export const HOST_MARKER = 'REDISFORGE_LAB_HOST';

export interface HostProcess {
  readonly pid: number;
  readonly stopped: boolean;
}

/** How often a host's processes are counted again while they end. */
const RECOUNT_MS = 20;
/** SIGKILL is not instant for a process that writes a core or waits for a disk. */
const KILL_DEADLINE_MS = 10_000;

/**
 * All processes of the hosts in or below `folder`, found from the outside, so that it also works after a crash of whoever started them.
 * Most carry the marker. Programs that write their title over their environment (redis-server, sshd) have wiped it: those are told
 * by a working folder or an open file in a host's folder. A person's shell that stands in that folder has its environment and is not meant.
 */
export async function hostProcesses(folder: string): Promise<HostProcess[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(pids.map((pid) => inspectProcess(pid, folder)));
  return found.filter((entry) => entry !== null);
}

export function signalAll(processes: readonly HostProcess[], signal: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

/** SIGKILL to all, again and again until none is left: one of them may have forked meanwhile. */
export async function killAll(folder: string): Promise<void> {
  const end = Date.now() + KILL_DEADLINE_MS;
  for (;;) {
    const left = await hostProcesses(folder);
    if (left.length === 0) return;
    if (Date.now() > end) throw stillThere(folder, left);
    signalAll(left, 'SIGKILL');
    await sleep(RECOUNT_MS);
  }
}

/** Waits until none is left; `false` where some still are after `deadlineMs`. */
export async function allEnded(folder: string, deadlineMs: number): Promise<boolean> {
  const end = Date.now() + deadlineMs;
  while ((await hostProcesses(folder)).length > 0) {
    if (Date.now() > end) return false;
    await sleep(RECOUNT_MS);
  }
  return true;
}

async function inspectProcess(pid: number, folder: string): Promise<HostProcess | null> {
  try {
    if (!(await belongsTo(pid, folder))) return null;
    const state = stateLetter(await readFile(`/proc/${pid}/stat`, 'utf8'));
    return state === 'Z' ? null : { pid, stopped: state === 'T' };
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

async function belongsTo(pid: number, folder: string): Promise<boolean> {
  const environment = (await readFile(`/proc/${pid}/environ`, 'latin1')).split('\0');
  const marker = environment.find((line) => line.startsWith(`${HOST_MARKER}=`));
  if (marker !== undefined) return isWithin(marker.slice(HOST_MARKER.length + 1), folder);
  const wiped = !environment.some((line) => line.startsWith('PATH='));
  return wiped && (await worksIn(pid, folder));
}

async function worksIn(pid: number, folder: string): Promise<boolean> {
  if (isWithin(await readlink(`/proc/${pid}/cwd`), folder)) return true;
  const files = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(files.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return targets.some((target) => isWithin(target, folder));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

/** The field after the program's name, which stands in brackets and may itself hold brackets and blanks. */
function stateLetter(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).charAt(0);
}

/** The process ended while we looked, or it is another user's and so none of ours. */
function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM';
}

function stillThere(folder: string, left: readonly HostProcess[]): ForgeError {
  return new ForgeError('NotReached', {
    what: `Processes of the lab in ${folder} did not end within ${KILL_DEADLINE_MS} ms: ${left.map(({ pid }) => pid).join(', ')}.`,
    left: 'The folder is left as it is.',
    next: 'Look at them with ps, then run `redisforge lab down` again.',
  });
}
