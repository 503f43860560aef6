import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { LabHost } from './driver.js';

/** Where the settings of a container host lie in its folder on this machine; the host sees them in /etc/redisforge-lab. */
export function containerFiles(home: string) {
  const settings = join(home, 'settings');
  return {
    settings,
    /** The folder that the host's own disk is mounted on. */
    root: join(settings, 'root'),
    /** Size of that disk; missing where the machine has no loop devices. */
    disk: join(settings, 'disk'),
    /** `from ADDRESS` and `to ADDRESS`, one in a line: packets that vanish. */
    cuts: join(settings, 'cuts'),
    /** What is put into the host before its first boot. */
    seed: join(home, 'seed'),
  };
}

const LAB_LABEL = 'redisforge.lab';
const DIR_LABEL = 'redisforge.lab.dir';

/** What everything of the lab in `dir` is labelled with, so that it is found without the lab's record. */
export function labLabel(dir: string): string {
  return `${LAB_LABEL}=${labId(dir)}`;
}

export function networkName(dir: string): string {
  return `redisforge-${labId(dir)}`;
}

export function containerName(host: LabHost): string {
  return `redisforge-${labId(labDir(host))}-${host.name}`;
}

/** The folder of the host's lab: hosts are in `DIR/hosts/NAME`. */
export function labDir({ home }: LabHost): string {
  return dirname(dirname(home));
}

function labId(dir: string): string {
  return createHash('sha256').update(dir).digest('hex').slice(0, 12);
}

export interface NetworkRequest {
  readonly dir: string;
  /** `198.18.7.0/24`. */
  readonly subnet: string;
}

export function networkArgv({ dir, subnet }: NetworkRequest): string[] {
  return [
    ...['network', 'create', '--subnet', subnet],
    ...['--label', labLabel(dir), '--label', `${DIR_LABEL}=${dir}`],
    networkName(dir),
  ];
}

/**
 * A host that boots systemd, without `--privileged`.
 *
 * - SYS_ADMIN: systemd mounts; its units have folders of their own. NET_ADMIN: cuts, and net.* settings, which are the host's own.
 * - A private cgroup namespace, on machines with cgroup v1 and v2 alike: systemd has to write there, and given the machine's own tree it would
 *   remount that read-only and make folders in it, for everybody. `lab-init` in the image makes the host's part writable.
 * - Docker's AppArmor profile forbids every mount, and it masks paths of /proc and /sys that mounts of systemd's units go over. Its seccomp
 *   profile stays. `vm.*` and `kernel.*` written on such a host are the machine's: nothing in the lab writes them.
 * - Loop devices (major 7): the host's own disk.
 * - Limits such as open files are the engine's own: one that is not allowed to raise them would refuse the start.
 * - `on-failure`: a host that reboots from inside ends with a code of its own, and comes back; one that is powered off ends with 0.
 */
export function createArgv(host: LabHost, { image, disk }: { image: string; disk: 'own' | 'shared' }): string[] {
  const dir = labDir(host);
  return [
    ...['create', '--name', containerName(host), '--hostname', host.name],
    ...['--label', labLabel(dir), '--label', `${DIR_LABEL}=${dir}`],
    ...['--network', networkName(dir), '--ip', host.address],
    ...['--restart', 'on-failure', '--stop-signal', 'SIGRTMIN+3'],
    ...['--cap-add', 'SYS_ADMIN', '--cap-add', 'NET_ADMIN', '--cgroupns', 'private'],
    ...['--security-opt', 'systempaths=unconfined', '--security-opt', 'apparmor=unconfined'],
    ...(disk === 'own' ? ['--device', '/dev/loop-control', '--device-cgroup-rule', 'b 7:* rmw'] : []),
    ...['--tmpfs', '/run:rw,nosuid,nodev,size=256m', '--tmpfs', '/tmp:rw,exec,nosuid,nodev,size=1g,mode=1777'],
    // A list of values: the quotation marks let the path hold a comma.
    ...['--mount', `type=bind,"source=${containerFiles(host.home).settings}",target=/etc/redisforge-lab,readonly`],
    image,
  ];
}
