import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chooseAddresses } from './addresses.js';
import type { HostState, LabDriver, LabHost, LabShape } from './driver.js';
import { hostFiles, labPaths } from './folder.js';
import { allEnded, hostProcesses, killAll, signalAll } from './host-processes.js';
import { findEngine } from './spec.js';
import { answersSsh, ensureKeyPair, prepareSshd, publicKey, startSshd } from './sshd.js';

/**
 * Hosts as plain processes on loopback addresses: a real sshd each, no root, no container engine.
 * `searchPath` is the PATH on which the lab's programs are found, and which they get.
 */
export function createProcessDriver({ searchPath }: { searchPath: string }): LabDriver {
  return {
    name: 'process',
    engine: () => findEngine(searchPath),
    plan: planHosts,

    async prepare(host) {
      await ensureKeyPair(host.identityFile, 'redisforge lab', searchPath);
      await prepareSshd(host, searchPath);
    },

    async start(host) {
      if ((await stateOf(host)) === 'stopped') await startSshd(host, searchPath);
      else await thaw(host);
    },

    stop,
    kill: (host) => killAll(host.home),
    freeze,
    thaw,
    stateOf,
    hostKey: (host) => publicKey(hostFiles(host.home).key),
    endAll: (dir) => killAll(labPaths(dir).hosts),
    faults: null,
  };
}

/** A signal needs a moment until the process is seen stopped. */
const RECOUNT_MS = 5;

async function planHosts(dir: string, shape: LabShape): Promise<LabHost[]> {
  const addresses = await chooseAddresses(dir, shape);
  const paths = labPaths(dir);
  const user = userInfo().username;
  return addresses.map((place, index) => {
    const name = `h${index + 1}`;
    const home = join(paths.hosts, name);
    const zone = `z${(index % shape.zones) + 1}`;
    return { ...place, name, zone, user, identityFile: paths.identity, home, root: hostFiles(home).root };
  });
}

async function stop(host: LabHost, graceMs: number): Promise<void> {
  await thaw(host);
  signalAll(await hostProcesses(host.home), 'SIGTERM');
  if (!(await allEnded(host.home, graceMs))) await killAll(host.home);
}

/** Until a count finds all of them stopped: one of them may have forked meanwhile. */
async function freeze(host: LabHost): Promise<void> {
  for (;;) {
    const awake = (await hostProcesses(host.home)).filter(({ stopped }) => !stopped);
    if (awake.length === 0) return;
    signalAll(awake, 'SIGSTOP');
    await sleep(RECOUNT_MS);
  }
}

async function thaw(host: LabHost): Promise<void> {
  signalAll(await hostProcesses(host.home), 'SIGCONT');
}

async function stateOf(host: LabHost): Promise<HostState> {
  const processes = await hostProcesses(host.home);
  if (processes.length === 0) return 'stopped';
  if (processes.every(({ stopped }) => stopped)) return 'frozen';
  return (await answersSsh(host)) ? 'running' : 'stopped';
}
