import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import { containerFiles } from './container-host.js';
import type { LabHost } from './driver.js';
import { hostFiles } from './folder.js';
import { runProgram } from './programs.js';

const APT = '/etc/apt';
/** Who may log in with the lab's key: root, and a user that has no rights until a sudoers file gives them. sshd reads the file as that user. */
const HOMES = ['root', 'home/operator'];

/**
 * What a host is given before its first boot, as a tar archive over its root folder: its key, who may log in and, where `release` is that of this
 * machine's Debian, this machine's apt sources, so that a host can install packages wherever this machine can.
 */
export async function seedArchive(host: LabHost, release: string): Promise<Buffer> {
  const { seed } = containerFiles(host.home);
  await rm(seed, { recursive: true, force: true });
  const files = hostFiles(host.home);
  await put(join(seed, 'etc/ssh/ssh_host_ed25519_key'), files.key, 0o600);
  await put(join(seed, 'etc/ssh/ssh_host_ed25519_key.pub'), `${files.key}.pub`, 0o644);
  for (const home of HOMES) await put(join(seed, home, '.ssh/authorized_keys'), `${host.identityFile}.pub`, 0o644);
  if ((await ownRelease()) === release) await seedApt(seed);
  const archive = await archiveOf(seed);
  await rm(seed, { recursive: true, force: true });
  return archive;
}

async function put(path: string, source: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await copyFile(source, path);
  await chmod(path, mode);
}

/** Code name of this machine's Debian, or `null` where it is none. */
async function ownRelease(): Promise<string | null> {
  const lines = (await readFile('/etc/os-release', 'utf8').catch(() => '')).split('\n');
  if (!lines.includes('ID=debian')) return null;
  return lines.find((line) => line.startsWith('VERSION_CODENAME='))?.slice('VERSION_CODENAME='.length) ?? null;
}

/** Sources, keys and access to them as files; how they are fetched (proxies and the like) as apt says that it is set. */
async function seedApt(seed: string): Promise<void> {
  const target = join(seed, APT);
  await mkdir(target, { recursive: true });
  // The image's own list would name the same sources a second time.
  await writeFile(join(target, 'sources.list'), '');
  await copyReadable(APT, target, /^sources\.list$/);
  await copyReadable(join(APT, 'sources.list.d'), join(target, 'sources.list.d'), /\.(list|sources)$/);
  await copyReadable(join(APT, 'auth.conf.d'), join(target, 'auth.conf.d'), /\.conf$/);
  for (const keys of ['trusted.gpg.d', 'keyrings']) {
    await copyReadable(join(APT, keys), join(target, keys), /\.(asc|gpg)$/);
  }
  await mkdir(join(target, 'apt.conf.d'), { recursive: true });
  await writeFile(join(target, 'apt.conf.d', '90redisforge-lab'), await acquireSettings());
}

/** A file that this user may not read is left out: apt in the host says what it misses. */
async function copyReadable(from: string, to: string, names: RegExp): Promise<void> {
  const found = await readdir(from).catch((): string[] => []);
  await mkdir(to, { recursive: true });
  for (const name of found.filter((entry) => names.test(entry))) {
    await copyFile(join(from, name), join(to, name)).catch(() => undefined);
  }
}

async function acquireSettings(): Promise<string> {
  const { stdout } = await runProgram('apt-config', ['dump']).catch(() => ({ stdout: '' }));
  const settings = stdout
    .split('\n')
    .filter((line) => /^Acquire::[^ ]+ ".*";$/.test(line) && !/^Acquire::cdrom/i.test(line));
  for (const scheme of ['http', 'https']) {
    const proxy = process.env[`${scheme}_proxy`];
    if (proxy !== undefined && !/["\n]/.test(proxy)) settings.push(`Acquire::${scheme}::Proxy "${proxy}";`);
  }
  return settings.map((line) => `${line}\n`).join('');
}

/** Files only: the folders of the host keep their owners and modes. All belong to root there. */
async function archiveOf(folder: string): Promise<Buffer> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const argv = ['-C', folder, '--owner=0', '--group=0', '--numeric-owner', '-c', '-f', '-', '--null', '-T', '-'];
  const child = spawn('tar', argv, { stdio: ['pipe', 'pipe', 'ignore'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stdin.end(files.map((file) => `${file.slice(folder.length + 1)}\0`).join(''));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return Buffer.concat(chunks);
  throw new ForgeError('CommandFailed', {
    what: `tar ended with ${code} while the first boot of a lab host was prepared from ${folder}.`,
    left: 'The host was not started.',
    next: 'See that the disk is not full and the folder can be read, then run `redisforge lab up` again.',
  });
}
