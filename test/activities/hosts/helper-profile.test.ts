import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAnswer } from '../../../activities/hosts/answer.js';
import { parseProfile } from '../../../activities/hosts/profile.js';
import { OS_PROFILE, profileChanges, profileRows, profileToSet } from '../../../domain/os-profile.js';
import type { OsSurvey } from '../../../domain/survey.js';
import { type FakeMachine, fakeMachine, SETTINGS } from './fake-machine.js';
import { claim, helperHost, type HelperHost, token } from './run-helper.js';

const FENCED = 10;
const USAGE = 2;
const WHOLE = OS_PROFILE.map(({ key, wanted }) => `${key}=${wanted}`);
const KEPT = 'etc/sysctl.d/90-redisforge-orders.conf';
const KEPT_PAGES = 'etc/tmpfiles.d/redisforge-orders.conf';

let machine: FakeMachine;
let host: HelperHost;

beforeEach(async () => {
  machine = await fakeMachine();
  host = await helperHost({ machine: machine.folder });
  await host.run(claim());
});

afterEach(async () => {
  await host.remove();
  await machine.remove();
});

async function look(): Promise<OsSurvey> {
  const { lines } = await host.run(['survey', 'server=', 'address=127.0.0.1', 'nofile=0', 'profile=apply']);
  return parseProfile(parseAnswer(lines.join('\n')));
}

const apply = (settings: Readonly<Record<string, string>>) =>
  host.act(['profile', ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)]);

/** Every file of the profile, by its path. */
async function values(): Promise<Record<string, string>> {
  const paths = [
    ...Object.keys(SETTINGS),
    ...['enabled', 'defrag'].map((n) => `sys/kernel/mm/transparent_hugepage/${n}`),
  ];
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, (await machine.read(path)).trim()] as const)),
  );
}

describe('on a machine of its own', () => {
  it('says what it has, and what the next boot brings', async () => {
    const os = await look();
    expect(os).toMatchObject({ own: 'machine', sharing: '', kept: {}, keepable: true, timeService: 'chronyd' });
    expect(os.swapBytes).toBe(2 ** 30);
    expect(os.settings['net.core.somaxconn']).toEqual({ value: '4096', writable: true });
    expect(os.settings['thp.enabled']?.value).toBe('madvise');
  });

  it('sets every value, keeps it for the next boot, and has nothing left to do the second time', async () => {
    const first = await apply(profileToSet(await look()));
    expect(first.code, first.stderr).toBe(0);
    expect(first.lines).toContain('effect\tos.set\tvm.swappiness 60 -> 1');
    expect(first.lines).toContain(`effect\tos.kept\t/${KEPT}`);
    expect(first.lines).toHaveLength(OS_PROFILE.length + 2);
    expect((await machine.read(KEPT)).split('\n').slice(1, -1)).toEqual(
      WHOLE.filter((pair) => !pair.startsWith('thp.')).map((pair) => pair.replace('=', ' = ')),
    );
    expect((await machine.read(KEPT_PAGES)).split('\n')[1]).toBe(
      'w /sys/kernel/mm/transparent_hugepage/enabled - - - - never',
    );
    const os = await look();
    expect(profileRows(os).every(({ fits, kept }) => fits && kept)).toBe(true);
    expect(profileChanges(os)).toEqual([]);
    expect((await apply(profileToSet(os))).lines).toEqual([]);
    expect((await host.journal()).filter(([, , , , effect]) => effect?.startsWith('os.'))).toHaveLength(
      OS_PROFILE.length + 2,
    );
  });

  it('leaves what is better already, and keeps it out of the file that would bring it down at the next boot', async () => {
    await apply(profileToSet(await look()));
    await machine.write('proc/sys/net/core/somaxconn', '100000\n');
    await machine.write('proc/sys/net/ipv4/tcp_keepalive_time', '60\n');
    expect(profileChanges(await look()).map(({ setting }) => setting.key)).toEqual([
      'net.core.somaxconn',
      'net.ipv4.tcp_keepalive_time',
    ]);
    expect((await apply(profileToSet(await look()))).lines).toEqual([`effect\tos.kept\t/${KEPT}`]);
    expect((await values())['proc/sys/net/core/somaxconn']).toBe('100000');
    expect(await machine.read(KEPT)).not.toMatch(/somaxconn|keepalive_time/);
    expect(profileChanges(await look())).toEqual([]);
  });

  it('writes again what was changed by hand, and a file that was taken away', async () => {
    await apply(profileToSet(await look()));
    await machine.write('proc/sys/vm/swappiness', '60\n');
    await machine.lose(KEPT);
    const changes = profileChanges(await look());
    expect(changes).toHaveLength(OS_PROFILE.length - 2);
    expect((await apply(profileToSet(await look()))).lines).toEqual([
      `effect\tos.kept\t/${KEPT}`,
      'effect\tos.set\tvm.swappiness 60 -> 1',
    ]);
  });

  it('names a value that the kernel does not take, and does the rest', async () => {
    await machine.lose('proc/sys/vm/overcommit_memory');
    const answer = await apply({ 'vm.overcommit_memory': '1', 'vm.swappiness': '1' });
    expect(answer.code).toBe(0);
    expect(answer.lines).toContain('denied\tvm.overcommit_memory\tthis kernel does not know it');
    expect(await values().catch(() => ({}))).toEqual({});
    expect((await machine.read('proc/sys/vm/swappiness')).trim()).toBe('1');
  });

  it('takes its files away when the host is given back with nothing kept; what runs stays', async () => {
    await apply(profileToSet(await look()));
    const released = await host.act(['host', 'release', 'delete']);
    expect(released.lines).toContain(`effect\tos.forgotten\t/${KEPT}`);
    expect(await readdir(join(machine.folder, 'etc/sysctl.d'))).toEqual([]);
    expect(await readdir(join(machine.folder, 'etc/tmpfiles.d'))).toEqual([]);
    expect((await values())['proc/sys/vm/swappiness']).toBe('1');
  });

  it('writes nothing for an old token, and nothing that the profile does not know', async () => {
    const before = await values();
    expect((await host.run([...token({ generation: 9 }), 'profile', ...WHOLE])).code).toBe(FENCED);
    for (const pair of ['kernel.panic=1', 'net.core.somaxconn=1;reboot', 'vm.swappiness=', 'net.core.somaxconn']) {
      expect((await host.act(['profile', 'vm.swappiness=1', pair])).code).toBe(USAGE);
    }
    expect(await values()).toEqual(before);
  });
});

describe('in a container', () => {
  beforeEach(async () => {
    await machine.lose('proc/sys/net/core/netdev_max_backlog');
    await machine.lose('proc/sys/net/core/dev_weight');
  });

  const signs: [string, () => Promise<void>][] = [
    ['systemd', () => machine.detects('docker')],
    ["podman's file", () => machine.write('run/.containerenv', '')],
    ["docker's file", () => machine.write('.dockerenv', '')],
    ["systemd's file", () => machine.write('run/systemd/container', 'lxc')],
    ['the environment of init', () => machine.write('proc/1/environ', 'HOME=/\0container=lxc\0')],
    ['processes of its own', () => machine.inNamespace('pid')],
    ['users of its own', () => machine.inNamespace('user')],
    ['namespaces that cannot be seen', () => machine.lose('proc/self/ns')],
  ];

  it.each(signs)('known by %s, only its network is touched, whatever is asked', async (_sign, give) => {
    await give();
    const before = await values();
    const os = await look();
    expect(os.own).toBe('network');
    expect(os.sharing).toMatch(/^a container /);
    expect(os.timeService).not.toBe(null);
    const answer = await host.act(['profile', ...WHOLE]);
    expect(answer.code, answer.stderr).toBe(0);
    expect(answer.lines.filter((line) => line.startsWith('denied')).map((line) => line.split('\t')[1])).toEqual([
      'vm.overcommit_memory',
      'vm.swappiness',
      'thp.enabled',
      'thp.defrag',
    ]);
    const after = await values();
    const changed = Object.keys(before).filter((path) => before[path] !== after[path]);
    expect(changed.every((path) => path.startsWith('proc/sys/net/'))).toBe(true);
    expect(changed).toHaveLength(5);
    expect(await machine.read(KEPT)).not.toContain('vm.');
    expect(await readdir(join(machine.folder, 'etc/tmpfiles.d'))).toEqual([]);
    expect(profileChanges(await look())).toEqual([]);
  });

  it("with the machine's network nothing is its own", async () => {
    await machine.detects('docker');
    await machine.write('proc/sys/net/core/netdev_max_backlog', '1000\n');
    const before = await values();
    expect((await look()).own).toBe('nothing');
    const answer = await host.act(['profile', ...WHOLE]);
    expect(answer.lines).toHaveLength(OS_PROFILE.length);
    expect(await values()).toEqual(before);
    expect(await readdir(join(machine.folder, 'etc/sysctl.d'))).toEqual([]);
  });
});

describe('a host of a lab', () => {
  it('is one of several on one machine: nothing is its own', async () => {
    const before = await values();
    process.env['REDISFORGE_LAB_HOST'] = '/lab/hosts/h1';
    try {
      expect(await look()).toMatchObject({ own: 'nothing', sharing: 'a lab host, one of several on one machine' });
      expect((await host.act(['profile', ...WHOLE])).lines).toHaveLength(OS_PROFILE.length);
    } finally {
      delete process.env['REDISFORGE_LAB_HOST'];
    }
    expect(await values()).toEqual(before);
    expect(await readdir(join(machine.folder, 'etc/sysctl.d'))).toEqual([]);
  });
});
