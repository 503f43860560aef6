import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ForgeError } from '../domain/errors.js';
import type { LabDriver, LabDriverName, LabHost } from '../lab/driver.js';
import type { HostStatus, Lab } from '../lab/lab.js';
import type { CliIo } from './io.js';

// What the verbs of `redisforge lab` have in common: the folder, the lab in it, its driver and its hosts.

export interface FolderOptions {
  readonly dir: string;
  readonly json?: true;
}

export function withFolder(command: Command): Command {
  return command.option('--dir <folder>', 'folder of the lab', '.lab').option('--json', 'print JSON');
}

export function folderOf(io: CliIo, { dir }: FolderOptions): string {
  return resolve(io.cwd, dir);
}

export async function driverOf(io: CliIo, name: LabDriverName): Promise<LabDriver> {
  const { labDriver } = await import('../lab/drivers.js');
  return labDriver(name, io.env['PATH'] ?? '');
}

/** The lab that the options name, with its driver; refuses where there is none. */
export async function labAt(io: CliIo, options: FolderOptions): Promise<{ lab: Lab; driver: LabDriver }> {
  const { openLab } = await import('../lab/lab.js');
  const dir = folderOf(io, options);
  const lab = await openLab(dir);
  if (lab !== null) return { lab, driver: await driverOf(io, lab.driverName) };
  throw new ForgeError('BadSpec', {
    what: `There is no lab in ${dir}.`,
    left: 'Nothing was changed.',
    next: 'Start one with `redisforge lab up`.',
  });
}

export function hostOf({ dir, hosts }: Lab, name: string): LabHost {
  const found = hosts.find((host) => host.name === name);
  if (found !== undefined) return found;
  throw new ForgeError('BadSpec', {
    what: `The lab in ${dir} has no host ${name}.`,
    left: 'Nothing was changed.',
    next: `Its hosts: ${hosts.map((host) => host.name).join(', ')}.`,
  });
}

/** Says what was done, or shows the lab as it is now where JSON is wanted. */
export async function showDone(
  io: CliIo,
  { lab, driver, options, done }: { lab: Lab; driver: LabDriver; options: FolderOptions; done: string },
): Promise<void> {
  const { labStatus } = await import('../lab/lab.js');
  io.out(options.json === true ? JSON.stringify(statusJson(lab, await labStatus(lab, driver))) : done);
}

type LabState = 'up' | 'partial' | 'none';

export function stateOf(hosts: readonly HostStatus[]): LabState {
  if (hosts.length === 0) return 'none';
  return hosts.every(({ state }) => state === 'running') ? 'up' : 'partial';
}

/** A stable contract for scripts (docs/contract.md). */
export function statusJson({ dir }: { dir: string }, hosts: readonly HostStatus[]) {
  return {
    dir,
    state: stateOf(hosts),
    hosts: hosts.map(({ name, zone, address, sshPort, user, identityFile, root, nodePorts, state, network }) => ({
      ...{ name, zone, address, sshPort, user, identityFile, root, nodePorts, state, network },
    })),
  };
}
