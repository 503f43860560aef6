import { describe, expect, it } from 'vitest';
import { createArgv, networkArgv } from '../../lab/container-host.js';
import { overlaps, subnetOf } from '../../lab/container-network.js';
import type { LabHost } from '../../lab/driver.js';

const host: LabHost = {
  name: 'h1',
  zone: 'z1',
  address: '198.18.7.11',
  sshPort: 22,
  user: 'root',
  identityFile: '/labs/one, two/id_ed25519',
  home: '/labs/one, two/hosts/h1',
  root: '/var/lib/redisforge',
  nodePorts: [6379],
};

/** The values that `docker create` is given for an option. */
function valuesOf(option: string, argv: readonly string[]): string[] {
  return argv.flatMap((word, index) => (word === option ? [argv[index + 1] ?? ''] : []));
}

describe('the container of a lab host', () => {
  const argv = createArgv(host, { image: 'redisforge-lab:1', disk: 'own' });

  it('is not privileged, and never sees the cgroups of the machine', () => {
    expect(argv).not.toContain('--privileged');
    expect(valuesOf('--cap-add', argv)).toEqual(['SYS_ADMIN', 'NET_ADMIN']);
    expect(valuesOf('--cgroupns', argv)).toEqual(['private']);
    expect(argv.join(' ')).not.toContain('/sys/fs/cgroup');
  });

  it('boots where AppArmor is on, and keeps the seccomp profile', () => {
    expect(valuesOf('--security-opt', argv)).toEqual(['systempaths=unconfined', 'apparmor=unconfined']);
  });

  it('gets devices only for a disk of its own', () => {
    expect(valuesOf('--device', argv)).toEqual(['/dev/loop-control']);
    expect(valuesOf('--device-cgroup-rule', argv)).toEqual(['b 7:* rmw']);
    const shared = createArgv(host, { image: 'redisforge-lab:1', disk: 'shared' });
    expect(shared.filter((word) => word.startsWith('--device'))).toEqual([]);
  });

  it('is found by the label of its lab, as its network is, and keeps its address', () => {
    const network = networkArgv({ dir: '/labs/one, two', subnet: subnetOf(host.address) });
    expect(valuesOf('--label', argv)).toEqual(valuesOf('--label', network));
    expect(valuesOf('--subnet', network)).toEqual(['198.18.7.0/24']);
    expect(valuesOf('--ip', argv)).toEqual(['198.18.7.11']);
    expect(valuesOf('--network', argv)).toEqual([network.at(-1)]);
  });

  it('takes a folder whose name holds a comma', () => {
    expect(valuesOf('--mount', argv)).toEqual([
      'type=bind,"source=/labs/one, two/hosts/h1/settings",target=/etc/redisforge-lab,readonly',
    ]);
  });
});

describe('subnets', () => {
  it.each([
    ['198.18.7.0/24', '198.18.7.0/24', true],
    ['198.18.7.0/24', '198.18.0.1/16', true],
    ['198.18.7.0/24', '198.18.7.200/32', true],
    ['198.18.7.0/24', '198.18.8.0/24', false],
    ['198.18.7.0/24', '0.0.0.0/0', true],
    ['198.18.7.0/24', 'fe80::1/64', false],
  ])('%s and %s have addresses in common: %s', (one, other, expected) => {
    expect(overlaps(one, other)).toBe(expected);
  });
});
