import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The files of a machine that the OS profile is about, in a folder: as a plain virtual machine has them. */
export interface FakeMachine {
  readonly folder: string;
  read(path: string): Promise<string>;
  write(path: string, content: string): Promise<void>;
  /** What `systemd-detect-virt --container` prints; it fails where this is `none`. */
  detects(kind: string): Promise<void>;
  /** Another number than that of the kernel's first namespace of this kind. */
  inNamespace(kind: 'pid' | 'user'): Promise<void>;
  lose(path: string): Promise<void>;
  remove(): Promise<void>;
}

export const SETTINGS: Readonly<Record<string, string>> = {
  'proc/sys/net/core/somaxconn': '4096',
  'proc/sys/net/ipv4/tcp_max_syn_backlog': '2048',
  'proc/sys/net/ipv4/tcp_keepalive_time': '7200',
  'proc/sys/net/ipv4/tcp_keepalive_intvl': '75',
  'proc/sys/net/ipv4/tcp_keepalive_probes': '9',
  'proc/sys/vm/overcommit_memory': '0',
  'proc/sys/vm/swappiness': '60',
};

/** Files of the kernel take any word and show all of them; a plain file shows what was written. */
const HUGE_PAGES = { enabled: 'always [madvise] never', defrag: 'always defer [madvise] never' };

export async function fakeMachine(): Promise<FakeMachine> {
  const folder = await mkdtemp(join(tmpdir(), 'redisforge-machine-'));
  const write = async (path: string, content: string) => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content, { mode: 0o755 });
  };
  const namespace = async (kind: string, number: number) => {
    await mkdir(join(folder, 'proc/self/ns'), { recursive: true });
    await rm(join(folder, 'proc/self/ns', kind), { force: true });
    await symlink(`${kind}:[${number}]`, join(folder, 'proc/self/ns', kind));
  };
  const detects = (kind: string) => write('bin/systemd-detect-virt', `#!/bin/sh\necho ${kind}\n[ ${kind} != none ]\n`);
  for (const [path, value] of Object.entries(SETTINGS)) await write(path, `${value}\n`);
  for (const [name, words] of Object.entries(HUGE_PAGES)) {
    await write(`sys/kernel/mm/transparent_hugepage/${name}`, `${words}\n`);
  }
  await write('proc/sys/net/core/netdev_max_backlog', '1000\n');
  await write('proc/sys/net/core/dev_weight', '64\n');
  await write('proc/swaps', 'Filename Type Size Used Priority\n/dev/sda2 partition 1048576 0 -2\n');
  await write('proc/1/environ', 'HOME=/\0TERM=linux\0');
  await write('proc/1/comm', 'systemd\n');
  await write('proc/77/comm', 'chronyd\n');
  await mkdir(join(folder, 'etc/sysctl.d'), { recursive: true });
  await mkdir(join(folder, 'etc/tmpfiles.d'), { recursive: true });
  await namespace('pid', 4026531836);
  await namespace('user', 4026531837);
  await detects('none');
  return {
    folder,
    write,
    detects,
    read: (path) => readFile(join(folder, path), 'utf8'),
    inNamespace: (kind) => namespace(kind, 4026532201),
    lose: (path) => rm(join(folder, path), { recursive: true }),
    remove: () => rm(folder, { recursive: true }),
  };
}
