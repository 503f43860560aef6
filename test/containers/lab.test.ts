import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cut, LabHost } from '../../lab/driver.js';
import { labStatus, labUp } from '../../lab/lab.js';
import { answersSsh } from '../../lab/sshd.js';
import { type ContainerLab, openContainerLab } from '../support/containers.js';
import { sshInto } from '../support/ssh.js';
import { until } from '../support/until.js';

const GRACE_MS = 10_000;
const MEGABYTE = 1024 * 1024;

let lab: ContainerLab;
beforeAll(async () => {
  lab = await openContainerLab({ hosts: 3 });
});
afterAll(() => lab.close());

async function states(): Promise<string[]> {
  return (await labStatus(lab, lab.driver)).map(({ state }) => state);
}

function bootOf(host: LabHost): Promise<string> {
  return lab.exec(host, ['cat', '/proc/sys/kernel/random/boot_id']);
}

describe('a container host', () => {
  it('boots systemd, with nothing failed, and lets the key of the lab in', async () => {
    expect(await states()).toEqual(['running', 'running', 'running']);
    const asked = 'systemctl is-system-running; systemctl --failed --no-legend; hostname';
    const answers = await Promise.all(lab.hosts.map((host) => sshInto(host, asked)));
    expect(answers).toEqual(['running\nh1', 'running\nh2', 'running\nh3']);
  });

  it('runs units with folders and limits of their own', async () => {
    const unit = [
      'PrivateTmp=yes',
      'ProtectSystem=strict',
      'NoNewPrivileges=yes',
      'MemoryMax=100M',
      'LimitNOFILE=2048',
    ];
    const argv = ['systemd-run', '--quiet', '--pipe', '--wait', ...unit.flatMap((line) => ['-p', line])];
    const probe = 'ulimit -n; touch /usr/probe 2>/dev/null || echo protected';
    expect(await lab.exec(lab.host(0), [...argv, 'sh', '-c', probe])).toBe('2048\nprotected');
  });

  it('keeps settings of its network over a reboot, and cannot write those of the machine', async () => {
    const host = lab.host(0);
    await lab.exec(host, [
      'sh',
      '-c',
      'printf "net.core.somaxconn = 777\nvm.swappiness = 7\n" > /etc/sysctl.d/90-test.conf',
    ]);
    const ofMachine = () => readFile('/proc/sys/vm/swappiness', 'utf8');
    const before = await ofMachine();
    await expect(lab.exec(host, ['sysctl', '-w', 'vm.swappiness=7'])).rejects.toThrow(/permission denied|Read-only/);
    await lab.faults.reboot(host, GRACE_MS);
    expect(await lab.exec(host, ['sysctl', '-n', 'net.core.somaxconn'])).toBe('777');
    expect(await lab.exec(host, ['systemctl', 'is-system-running'])).toBe('running');
    expect(await ofMachine()).toBe(before);
  });

  it('leaves the cgroups of the machine as they are', async () => {
    // Given the machine's tree, systemd would remount its top read-only and make folders of controllers in it.
    expect(
      (await readFile('/proc/self/mounts', 'utf8')).split('\n').find((line) => line.includes(' /sys/fs/cgroup ')),
    ).toMatch(/ rw[, ]/);
    expect(await lab.exec(lab.host(0), ['cat', '/proc/1/cgroup'])).toMatch(/(name=systemd|^0:):\/init\.scope$/m);
  });

  it('has a user without rights beside root, and no Redis of its own running', async () => {
    const host = { ...lab.host(0), user: 'operator' };
    expect(
      await sshInto(host, 'id -un; sudo -n true 2>/dev/null || echo refused; pgrep redis-server || echo none'),
    ).toBe('operator\nrefused\nnone');
  });

  it('shows the key that the lab says, also after a reboot, and keeps what was written', async () => {
    const host = lab.host(0);
    const scanned = () => lab.exec(lab.host(1), ['ssh-keyscan', '-t', 'ed25519', host.address]);
    const before = { key: await scanned(), boot: await bootOf(host) };
    expect(before.key).toContain(await lab.driver.hostKey(host));
    await sshInto(host, `echo kept > ${host.root}/note; echo kept > /etc/note`);
    await lab.faults.reboot(host, GRACE_MS);
    expect(await scanned()).toBe(before.key);
    expect(await bootOf(host)).not.toBe(before.boot);
    expect(await sshInto(host, `cat ${host.root}/note /etc/note`)).toBe('kept\nkept');
  });

  it('comes back by itself when it reboots from inside, and stays off when it is powered off from inside', async () => {
    const host = lab.host(0);
    const before = await bootOf(host);
    await sshInto(host, 'systemctl --no-block reboot');
    await until('the next boot', async () => (await bootOf(host)) !== before, 60_000);
    await lab.driver.start(host);
    await sshInto(host, 'systemctl --no-block poweroff');
    await until(
      'the power-off',
      async () => (await lab.driver.stateOf(host)) === 'stopped' && !(await isBooting(host)),
      60_000,
    );
    await lab.driver.start(host);
    expect(await states()).toEqual(['running', 'running', 'running']);
  });

  it('gives units time to end when it is shut down, and none when its power is cut', async () => {
    const host = lab.host(0);
    const script = `trap 'echo orderly >> ${host.root}/farewell; exit 0' TERM; touch ${host.root}/waiting; while :; do sleep 0.1; done`;
    const service = () =>
      sshInto(host, `rm -f ${host.root}/waiting; systemd-run --quiet --unit=farewell sh -c "${script}"`);
    const waiting = () =>
      until('the service on the host', () => sshInto(host, `test -e ${host.root}/waiting && echo yes`));
    await service();
    await waiting();
    await lab.driver.stop(host, GRACE_MS);
    expect(await lab.driver.stateOf(host)).toBe('stopped');
    await lab.driver.start(host);
    await service();
    await waiting();
    await lab.driver.kill(host);
    expect(await lab.driver.stateOf(host)).toBe('stopped');
    await lab.driver.start(host);
    expect(await sshInto(host, `cat ${host.root}/farewell`)).toBe('orderly');
  });

  it('hangs when it is frozen, goes on when it is thawed, and loses its power when it is frozen, too', async () => {
    const host = lab.host(2);
    await lab.driver.freeze(host);
    await lab.driver.freeze(host);
    expect(await states()).toEqual(['running', 'running', 'frozen']);
    expect(await answersSsh(host)).toBe(false);
    await lab.driver.thaw(host);
    expect(await sshInto(host, 'echo thawed')).toBe('thawed');
    await lab.driver.freeze(host);
    await lab.driver.kill(host);
    expect(await lab.driver.stateOf(host)).toBe('stopped');
    await lab.driver.start(host);
    expect(await states()).toEqual(['running', 'running', 'running']);
  });

  it('is found up by a second up, which changes nothing', async () => {
    expect((await labUp({ dir: lab.dir, driver: lab.driver })).changed).toBe(false);
  });
});

/** The engine starts a host again that ended with the code of a reboot. */
async function isBooting(host: LabHost): Promise<boolean> {
  return lab.exec(host, ['true']).then(
    () => true,
    () => false,
  );
}

describe('the network between container hosts', () => {
  /** Whether `from` gets an answer of the sshd of `to`, in a second. */
  async function hears(from: LabHost, to: LabHost): Promise<boolean> {
    const probe = `exec 3<>/dev/tcp/${to.address}/22 && head -c 4 <&3`;
    return lab.exec(from, ['timeout', '1', 'bash', '-c', probe]).then(
      (greeting) => greeting === 'SSH-',
      () => false,
    );
  }

  /** One letter for each pair of hosts, h1-h2, h1-h3, h2-h3: `+` where they hear each other. */
  async function links(): Promise<string> {
    const pairs = [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const;
    const heard = await Promise.all(pairs.map(([one, other]) => hears(lab.host(one), lab.host(other))));
    return heard.map((open) => (open ? '+' : '-')).join('');
  }

  const pair = (): Cut => ({ kind: 'pair', hosts: [lab.host(0), lab.host(1)] });
  const others = (): Cut => ({ kind: 'others', host: lab.host(2), others: [lab.host(0), lab.host(1)] });

  it('is cut between one pair and open between all others, from this machine too, and asking twice changes nothing', async () => {
    expect(await links()).toBe('+++');
    await lab.faults.cut(pair());
    await lab.faults.cut(pair());
    expect(await links()).toBe('-++');
    expect(await hears(lab.host(1), lab.host(0))).toBe(false);
    expect(await states()).toEqual(['running', 'running', 'running']);
    expect(await sshInto(lab.host(0), 'echo reached')).toBe('reached');
    await lab.faults.mend(pair());
    expect(await links()).toBe('+++');
  });

  it('stays cut when an end of it reboots, and is cut at an end that is off or frozen', async () => {
    await lab.driver.kill(lab.host(0));
    await lab.driver.freeze(lab.host(1));
    await lab.faults.cut(pair());
    await lab.driver.thaw(lab.host(1));
    await lab.driver.start(lab.host(0));
    expect(await links()).toBe('-++');
    await lab.faults.reboot(lab.host(1), GRACE_MS);
    expect(await links()).toBe('-++');
    await lab.faults.heal(lab.hosts);
    expect(await links()).toBe('+++');
  });

  it('is cut one way: a packet of h1 does not reach h2, one of h2 reaches h1', async () => {
    await lab.faults.cut({ kind: 'oneWay', from: lab.host(0), to: lab.host(1) });
    const listen = (at: LabHost) =>
      lab.exec(at, ['systemd-run', '--quiet', '--unit=ears', 'perl', '-e', EARS, '7777', '/tmp/heard']);
    const say = (from: LabHost, to: LabHost) =>
      lab.exec(from, ['bash', '-c', `echo hello >/dev/udp/${to.address}/7777`]);
    const heardAt = (at: LabHost) => lab.exec(at, ['sh', '-c', 'cat /tmp/heard 2>/dev/null || true']);
    await listen(lab.host(0));
    await listen(lab.host(1));
    await until('h1 to hear h2', async () => {
      await say(lab.host(1), lab.host(0));
      return (await heardAt(lab.host(0))) !== '';
    });
    for (let round = 0; round < 5; round += 1) await say(lab.host(0), lab.host(1));
    expect(await heardAt(lab.host(1))).toBe('');
    await lab.faults.heal(lab.hosts);
    await until('h2 to hear h1', async () => {
      await say(lab.host(0), lab.host(1));
      return (await heardAt(lab.host(1))) !== '';
    });
  });

  it('is cut between one host and all others, and several cuts are mended one by one', async () => {
    await lab.faults.cut(pair());
    await lab.faults.cut(others());
    expect(await links()).toBe('---');
    expect(await sshInto(lab.host(2), 'echo reached')).toBe('reached');
    await lab.faults.mend(others());
    expect(await links()).toBe('-++');
    await lab.faults.heal(lab.hosts);
    expect(await links()).toBe('+++');
  });

  it('is cut between one host and everything, this machine included, and connections that stood fall silent', async () => {
    const host = lab.host(2);
    await lab.faults.cut({ kind: 'everything', host });
    expect(await answersSsh(host)).toBe(false);
    expect(await links()).toBe('+--');
    expect(await lab.faults.isCut(host)).toBe(true);
    expect(await lab.driver.stateOf(host)).toBe('running');
    await lab.faults.heal([host]);
    expect(await sshInto(host, 'echo healed')).toBe('healed');
    expect(await lab.faults.isCut(host)).toBe(false);
  });
});

/** Writes each packet that comes to a UDP port to a file. */
const EARS =
  'use IO::Socket::INET; $s = IO::Socket::INET->new(Proto => "udp", LocalPort => $ARGV[0]) or die; while ($s->recv($m, 99)) { open F, ">>", $ARGV[1]; print F $m; close F }';

describe('the disk of a container host', () => {
  const freeOn = async (host: LabHost) =>
    Number(await lab.exec(host, ['sh', '-c', `df --output=avail -B1 ${host.root} | tail -n 1`]));

  it('is its own, is filled to what was asked for, is as full after a reboot, and is freed', async () => {
    const host = lab.host(1);
    const before = await freeOn(host);
    expect(before).toBeGreaterThan(1000 * MEGABYTE);
    await lab.faults.fillDisk({ host, leaveBytes: 10 * MEGABYTE });
    expect(Math.abs((await freeOn(host)) - 10 * MEGABYTE)).toBeLessThan(MEGABYTE);
    await lab.faults.reboot(host, GRACE_MS);
    expect(Math.abs((await freeOn(host)) - 10 * MEGABYTE)).toBeLessThan(MEGABYTE);
    const write = (megabytes: number) =>
      `head -c ${megabytes}M /dev/zero > ${host.root}/data && echo fits || echo full`;
    expect(await sshInto(host, `${write(5)} 2>/dev/null`)).toBe('fits');
    expect(await sshInto(host, `{ ${write(50)}; } 2>/dev/null`)).toBe('full');
    await lab.exec(host, ['rm', `${host.root}/data`]);
    await lab.faults.fillDisk({ host, leaveBytes: 0 });
    expect(await freeOn(host)).toBe(0);
    expect(await freeOn(lab.host(0))).toBeGreaterThan(1000 * MEGABYTE);
    await lab.faults.freeDisk(host);
    await lab.faults.freeDisk(host);
    expect(await freeOn(host)).toBe(before);
  });
});
