import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeError } from '../domain/errors.js';
import type { LabHost } from './driver.js';
import { hostFiles } from './folder.js';
import { HOST_MARKER } from './host-processes.js';
import { requireProgram, runProgram } from './programs.js';

/** A new sshd listens after some 20 ms; a busy machine gets this long. */
const READY_MS = 15_000;
const POLL_MS = 25;
/** One login costs some 100 ms. */
const LOGIN_MS = 15_000;

/** Makes an ed25519 key pair at `path` where there is none. The private key is put in place last: where it is, the pair is whole. */
export async function ensureKeyPair(path: string, comment: string, searchPath: string): Promise<void> {
  if (await exists(path)) return;
  const keygen = await requireProgram('ssh-keygen', 'openssh-client', searchPath);
  const fresh = `${path}.new`;
  await rm(fresh, { force: true });
  await rm(`${fresh}.pub`, { force: true });
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await runProgram(keygen, ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', fresh]);
  await rename(`${fresh}.pub`, `${path}.pub`);
  await rename(fresh, path);
}

/** `algorithm base64` of a key pair's public half. */
export async function publicKey(path: string): Promise<string> {
  return (await readFile(`${path}.pub`, 'utf8')).trim().split(' ').slice(0, 2).join(' ');
}

/** Writes all that a host's sshd needs; the files are the same each time. */
export async function prepareSshd(host: LabHost, searchPath: string): Promise<void> {
  const files = hostFiles(host.home);
  await mkdir(files.root, { recursive: true, mode: 0o755 });
  await ensureKeyPair(files.key, `redisforge lab host ${host.name}`, searchPath);
  await copyFile(`${host.identityFile}.pub`, files.authorizedKeys);
  await writeFile(files.config, sshdConfig(host));
}

/** Starts the host's sshd, detached, and returns when a login with the lab's key has worked. */
export async function startSshd(host: LabHost, searchPath: string): Promise<void> {
  const sshd = await requireProgram('sshd', 'openssh-server', searchPath);
  const files = hostFiles(host.home);
  await ensurePrivilegeSeparationFolder();
  const log = openSync(files.log, 'a');
  const child = spawn(sshd, ['-D', '-f', files.config, '-E', files.log], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
    env: { PATH: searchPath, [HOST_MARKER]: host.home },
  });
  closeSync(log);
  child.unref();
  const end = Date.now() + READY_MS;
  while (!(await answersSsh(host))) {
    if (child.exitCode !== null || Date.now() > end) throw await wontStart(host, 'did not begin to listen');
    await sleep(POLL_MS);
  }
  await proveLogin(host, searchPath);
}

/** Whether an SSH server greets at the host's address. */
export function answersSsh(host: LabHost): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.address, port: host.sshPort });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => settle(false));
    socket.once('error', () => settle(false));
    socket.once('data', (greeting) => settle(greeting.toString('latin1').startsWith('SSH-')));
    socket.once('close', () => settle(false));
  });
}

/** Logs in with the lab's key, as any client would. */
export async function proveLogin(host: LabHost, searchPath: string): Promise<void> {
  const ssh = await requireProgram('ssh', 'openssh-client', searchPath);
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'IdentitiesOnly=yes'];
  const argv = [
    ...['-F', 'none', '-p', `${host.sshPort}`, '-i', host.identityFile],
    ...options.flatMap((option) => ['-o', option]),
    ...[`${host.user}@${host.address}`, 'true'],
  ];
  try {
    await runProgram(ssh, argv, { timeout: LOGIN_MS });
  } catch (error) {
    throw await wontStart(host, `listens, but a login as ${host.user} failed`, error);
  }
}

/** sshd started by root insists on this folder; one started by a user does not look at it. */
async function ensurePrivilegeSeparationFolder(): Promise<void> {
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
}

/**
 * Every process of a login carries the host's marker, by which `host-processes.ts` finds it. Without PAM and strict modes no root is needed, and
 * the folder may lie anywhere. Keepalive ends the sessions of a client that was killed. SHLVL keeps bash from reading the person's ~/.bashrc for
 * every command, as it does under sshd: that file is not part of the lab's hosts, and took 220 ms a command where it set up pyenv.
 */
function sshdConfig(host: LabHost): string {
  const files = hostFiles(host.home);
  return [
    `ListenAddress ${host.address}:${host.sshPort}`,
    `HostKey ${quoted(files.key)}`,
    `AuthorizedKeysFile ${quoted(files.authorizedKeys)}`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    `AllowUsers ${host.user}`,
    'UseDNS no',
    'PrintMotd no',
    'X11Forwarding no',
    'MaxStartups 200:30:400',
    'MaxSessions 200',
    'ClientAliveInterval 15',
    'ClientAliveCountMax 2',
    `SetEnv ${quoted(`${HOST_MARKER}=${host.home}`)} SHLVL=1`,
    '',
  ].join('\n');
}

function quoted(value: string): string {
  return `"${value}"`;
}

async function wontStart(host: LabHost, happened: string, cause?: unknown): Promise<ForgeError> {
  const log = await readFile(hostFiles(host.home).log, 'utf8').catch(() => '');
  const tail = log.trim().split('\n').slice(-5).join(' | ');
  return new ForgeError(
    'NotReached',
    {
      what: `The sshd of lab host ${host.name} (${host.address}:${host.sshPort}) ${happened}. Its log ends: ${tail === '' ? '(empty)' : tail}`,
      left: 'The other hosts of the lab are left as they are.',
      next: 'Put right what the log says, then run `redisforge lab up` again, or `redisforge lab down` to take all away.',
    },
    { cause },
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
