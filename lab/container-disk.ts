import { ForgeError } from '../domain/errors.js';
import { type ContainerEngine, engineRefused } from './container-engine.js';
import { containerName } from './container-host.js';
import type { LabFaults, LabHost } from './driver.js';

/** In the image: fills and frees the disk under the root folder. */
const DISK_PROGRAM = '/usr/local/sbin/lab-disk';
/** Its exit code on a host without a disk of its own. */
const NO_DISK = 90;

export function createDiskFaults(engine: ContainerEngine): Pick<LabFaults, 'fillDisk' | 'freeDisk'> {
  const onHost = async (host: LabHost, ...words: string[]) => {
    const argv = ['exec', containerName(host), DISK_PROGRAM, ...words];
    const answer = await engine.ask({ argv });
    if (answer.code === NO_DISK) throw noDisk(host);
    if (answer.code !== 0) throw engineRefused(argv, answer);
  };
  return {
    fillDisk: ({ host, leaveBytes }) => onHost(host, 'fill', `${leaveBytes}`),
    freeDisk: (host) => onHost(host, 'free'),
  };
}

function noDisk({ name }: LabHost): ForgeError {
  return new ForgeError('Refused', {
    what: `Lab host ${name} has no disk of its own: this machine has no loop devices (/dev/loop-control), so its root folder lies on the machine's disk.`,
    left: 'Nothing was filled.',
    next: 'Load the kernel module loop, then make the lab anew.',
  });
}
