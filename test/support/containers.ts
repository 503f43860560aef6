import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createContainerDriver } from '../../lab/container-driver.js';
import { containerName } from '../../lab/container-host.js';
import type { LabDriver, LabFaults, LabHost, LabShape } from '../../lab/driver.js';
import { type Lab, labDown, labUp } from '../../lab/lab.js';

const run = promisify(execFile);

const containerDriver: LabDriver = createContainerDriver({ searchPath: process.env['PATH'] ?? '' });

/** What container hosts can suffer: reboot, cuts, a full disk. */
const containerFaults: LabFaults = faultsOf(containerDriver);

export interface ContainerLab extends Lab {
  readonly driver: LabDriver;
  readonly faults: LabFaults;
  /** The host by its place, from 0. */
  host(index: number): LabHost;
  /** Runs a program on a host as root, without SSH: also where the host is cut off. What it printed, trimmed; fails where the program does. */
  exec(host: LabHost, argv: readonly string[]): Promise<string>;
  /** Takes everything away: for `afterAll`. */
  close(): Promise<void>;
}

/** Container hosts in a temporary folder, booted. Whoever opens the lab closes it. */
export async function openContainerLab(shape: Partial<LabShape> = {}): Promise<ContainerLab> {
  const parent = await mkdtemp(join(tmpdir(), 'redisforge-containers-'));
  const dir = join(parent, 'lab');
  const close = async () => {
    await labDown({ dir, drivers: [containerDriver] });
    await rm(parent, { recursive: true, force: true });
  };
  try {
    const lab = await labUp({ dir, driver: containerDriver, shape });
    const host = (index: number) => {
      const found = lab.hosts[index];
      if (found === undefined) throw new Error(`the lab has no host ${index}`);
      return found;
    };
    return { ...lab, driver: containerDriver, faults: containerFaults, host, exec: execOn, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function execOn(host: LabHost, argv: readonly string[]): Promise<string> {
  const { stdout } = await run('docker', ['exec', containerName(host), ...argv]);
  return stdout.trim();
}

function faultsOf({ name, faults }: LabDriver): LabFaults {
  if (faults === null) throw new Error(`the driver ${name} has no faults`);
  return faults;
}
