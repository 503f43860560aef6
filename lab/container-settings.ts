import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { containerFiles } from './container-host.js';
import type { LabHost } from './driver.js';

/** Sparse: takes on the machine what is written on it. */
const DISK_SIZE = '2G';

/** `shared`: the root folder lies on the machine's disk, which is not ours to fill. */
export type DiskKind = 'own' | 'shared';

/** Writes what a host reads at each boot. Cuts stay as they are. */
export async function writeSettings(host: LabHost): Promise<void> {
  const files = containerFiles(host.home);
  await mkdir(files.settings, { recursive: true, mode: 0o755 });
  await writeFile(files.root, `${host.root}\n`);
  if (existsSync('/dev/loop-control') && !existsSync(files.cuts)) await writeFile(files.disk, `${DISK_SIZE}\n`);
  await writeFile(files.cuts, '', { flag: 'a' });
}

export function diskOf(host: LabHost): Promise<DiskKind> {
  return Promise.resolve(existsSync(containerFiles(host.home).disk) ? 'own' : 'shared');
}
