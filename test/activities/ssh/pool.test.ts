import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createSshPool, type SshCommand, type SshPool } from '../../../activities/ssh/pool.js';
import { fetchHostKeys, fingerprint } from '../../../activities/ssh/host-key.js';
import { ForgeError } from '../../../domain/errors.js';
import type { SshAccess } from '../../../domain/spec.js';
import type { LabHost } from '../../../lab/driver.js';
import { startLab, type TestLab } from '../../support/lab.js';
import { freePort } from '../../support/ports.js';
import { until } from '../../support/until.js';
import { accessTo } from '../hosts/lab-hosts.js';

let lab: TestLab;
let pool: SshPool;
let host: LabHost;
let second: LabHost;
let access: SshAccess;
let folder: string;

beforeAll(async () => {
  lab = await startLab({ hosts: 2 });
  const [first, other] = lab.hosts;
  if (first === undefined || other === undefined) throw new Error('the lab has too few hosts');
  [host, second] = [first, other];
  access = await accessTo(host);
  pool = createSshPool();
  folder = await mkdtemp(join(tmpdir(), 'redisforge-ssh-'));
});

afterAll(async () => {
  await pool.close();
  await lab.down();
  await rm(folder, { recursive: true, force: true });
});

type Asked = Partial<SshCommand> & Pick<SshCommand, 'argv'>;

function run(command: Asked, through: SshPool = pool) {
  return through.run({ access, host: 'h1', deadlineMs: 15_000, connectMs: 15_000, ...command });
}

/** The ForgeError that a command ends in; another end fails the test. */
async function failure(command: Asked, through: SshPool = pool): Promise<ForgeError> {
  const end = await run(command, through).catch((error: unknown) => error);
  if (end instanceof ForgeError) return end;
  throw new Error('the command should have failed with a ForgeError', { cause: end });
}

async function withPool<T>(use: (own: SshPool) => Promise<T>, options: Parameters<typeof createSshPool>[0] = {}) {
  const own = createSshPool(options);
  try {
    return await use(own);
  } finally {
    await own.close();
  }
}

async function keyFile(name: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, ssh2.utils.generateKeyPairSync('ed25519').private, { mode: 0o600 });
  return path;
}

const alive = (pid: string) => {
  try {
    return process.kill(Number(pid), 0);
  } catch {
    return false;
  }
};

describe('a command', () => {
  it('waits for no acknowledgement between small packets', async () => {
    const asked = vi.spyOn(Socket.prototype, 'setNoDelay');
    try {
      await withPool((own) => run({ argv: ['true'] }, own));
      expect(asked).toHaveBeenCalledWith(true);
    } finally {
      asked.mockRestore();
    }
  });

  it('gives exit code, output and error output, and takes content on stdin', async () => {
    const result = await run({ argv: ['sh', '-c', 'cat; echo no >&2; exit 3'], stdin: 'żółć\n' });
    expect(result).toEqual({ exitCode: 3, stdout: 'żółć\n', stderr: 'no\n' });
  });

  it('is carried by one connection, 50 at once with fewer channels than sshd allows', async () => {
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, n) => run({ argv: ['sh', '-c', 'echo "$1 $SSH_CONNECTION"', 'sh', `${n}`] })),
    );
    const lines = results.map(({ stdout }) => stdout.trim().split(' '));
    expect(lines.map(([n]) => Number(n))).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(new Set(lines.map(([, ...connection]) => connection.join(' '))).size).toBe(1);
  });

  it('is killed on the host, with what it started, when its deadline is over', async () => {
    const note = join(folder, 'pids');
    const script = 'sleep 300 & echo $$ $! >"$1"; wait';
    const error = await failure({ argv: ['sh', '-c', script, 'sh', note], deadlineMs: 500, purpose: 'the long sleep' });
    expect(error.type).toBe('CommandTimeout');
    expect(error.text.what).toBe('On h1, the long sleep did not end within 500 ms and was killed.');
    const { stdout } = await run({ argv: ['cat', note] });
    await until('both processes are gone', () => !stdout.trim().split(' ').some(alive));
  });

  it('fails by name where it was killed by somebody else, or prints without end', async () => {
    const killed = await failure({ argv: ['sh', '-c', 'kill -9 $PPID'] });
    // It is asked again: so ends what runs on a host that goes down.
    expect(killed.type).toBe('HostUnreachable');
    expect(killed.text.what).toContain('was ended by SIGKILL');
    const endless = await failure({ argv: ['yes'] });
    expect(endless.type).toBe('CommandFailed');
    expect(endless.text.what).toContain('printed more than');
  });
});

describe('a connection', () => {
  it('that is cut in the middle of a command fails that command and is made again by the next', async () => {
    await withPool(async (own) => {
      const note = join(folder, 'session');
      // The parent is the program that keeps the deadline; its parent is the sshd of this connection.
      const script = 'read -r _ _ _ sshd _ </proc/$PPID/stat; echo $sshd >"$1"; sleep 300';
      const broken = failure({ argv: ['sh', '-c', script, 'sh', note] }, own);
      const sshd = await until('the command runs', async () => {
        const { stdout } = await run({ argv: ['sh', '-c', 'cat "$1" 2>/dev/null || :', 'sh', note] });
        return stdout.trim() !== '' && stdout.trim();
      });
      process.kill(Number(sshd), 'SIGKILL');
      const error = await broken;
      expect(error.type).toBe('HostUnreachable');
      expect(error.text.what).toContain('the connection broke during');
      expect((await run({ argv: ['echo', 'again'] }, own)).stdout).toBe('again\n');
    });
  });

  it('to a host that was down for a while is made again', async () => {
    await withPool(async (own) => {
      const secondAccess = await accessTo(second);
      await run({ argv: ['true'], access: secondAccess }, own);
      await lab.driver.kill(second);
      const error = await failure({ argv: ['true'], access: secondAccess, host: 'h2' }, own);
      expect(error.type).toBe('HostUnreachable');
      expect(error.text.what).toContain(`h2 cannot be reached over SSH at ${second.address}:${second.sshPort}`);
      await lab.driver.start(second);
      expect((await run({ argv: ['echo', 'back'], access: secondAccess }, own)).stdout).toBe('back\n');
    });
  });

  it('to a host that hangs ends in time', async () => {
    await withPool(async (own) => {
      await lab.driver.freeze(second);
      try {
        const error = await failure({ argv: ['true'], access: await accessTo(second), connectMs: 500 }, own);
        expect(error.type).toBe('HostUnreachable');
      } finally {
        await lab.driver.thaw(second);
      }
    });
  });

  it('goes through a jump host', async () => {
    await withPool(async (own) => {
      const jump = await accessTo(second);
      const { stdout } = await run({ argv: ['sh', '-c', 'echo $SSH_CONNECTION'], access: { ...access, jump } }, own);
      expect(stdout.trim().split(' ').slice(2)).toEqual([host.address, `${host.sshPort}`]);

      const closed = await freePort(host.address);
      const beyond = await failure({ argv: ['true'], access: { ...access, port: closed, jump } }, own);
      expect(beyond.type).toBe('HostUnreachable');
      expect(beyond.text.what).toContain(`from jump host ${second.address}`);
    });
  });
});

describe('a login', () => {
  it('goes by agent', async () => {
    const socket = join(folder, 'agent.sock');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      const environment = { ...process.env, SSH_AUTH_SOCK: socket };
      await until('the agent has the key', async () => {
        const add = spawn('ssh-add', ['-q', host.identityFile], { env: environment, stdio: 'ignore' });
        return new Promise<boolean>((resolve) => add.once('exit', (code) => resolve(code === 0)));
      });
      const byAgent: SshAccess = { ...access, auth: { kind: 'agent' } };
      const result = await withPool((own) => run({ argv: ['echo', 'in'], access: byAgent }, own), {
        agentSocket: socket,
      });
      expect(result.stdout).toBe('in\n');
      const without = await withPool((own) => failure({ argv: ['true'], access: byAgent }, own));
      expect(without.type).toBe('SecretUnavailable');
      expect(without.text.what).toContain('SSH_AUTH_SOCK');
    } finally {
      agent.kill();
    }
  });

  it('with a wrong key is refused, naming user and key file', async () => {
    const identityFile = await keyFile('stranger');
    const error = await failure({ argv: ['true'], access: { ...access, auth: { kind: 'key', identityFile } } });
    expect(error.type).toBe('HostAuthFailed');
    expect(error.text.what).toContain(`does not let ${host.user} in with the key ${identityFile}`);
  });

  it('with a key file that is missing or unreadable as a key says so before it connects', async () => {
    const missing = await failure({
      argv: ['true'],
      access: { ...access, auth: { kind: 'key', identityFile: join(folder, 'nowhere') } },
    });
    expect(missing.type).toBe('SecretUnavailable');
    expect(missing.text.what).toContain(join(folder, 'nowhere'));

    const garbled = join(folder, 'garbled');
    await writeFile(garbled, 'not a key');
    await chmod(garbled, 0o600);
    const error = await failure({
      argv: ['true'],
      access: { ...access, auth: { kind: 'key', identityFile: garbled } },
    });
    expect(error.type).toBe('HostAuthFailed');
  });
});

describe('a host key', () => {
  const knownHosts = async (name: string, text: string): Promise<SshAccess> => {
    const file = join(folder, name);
    await writeFile(file, text);
    return { ...access, hostKeys: { kind: 'knownHosts', file } };
  };

  it('is what the host shows, and has its fingerprint', async () => {
    const keys = await fetchHostKeys({ host: host.address, port: host.sshPort, timeoutMs: 15_000 });
    expect(keys).toEqual([await lab.driver.hostKey(host)]);
    expect(fingerprint(keys[0] ?? '')).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
  });

  it('of nobody is an unreachable host', async () => {
    const port = await freePort(host.address);
    await expect(fetchHostKeys({ host: host.address, port, timeoutMs: 15_000 })).rejects.toMatchObject({
      type: 'HostUnreachable',
    });
  });

  it('is found in a known_hosts file', async () => {
    const key = await lab.driver.hostKey(host);
    const known = await knownHosts('known', `[${host.address}]:${host.sshPort} ${key}\n`);
    expect((await withPool((own) => run({ argv: ['echo', 'in'], access: known }, own))).stdout).toBe('in\n');
  });

  it('that is unknown is refused with its fingerprint and the line to trust', async () => {
    const error = await failure({ argv: ['true'], access: await knownHosts('empty', '') });
    const key = await lab.driver.hostKey(host);
    expect(error.type).toBe('HostKeyUnknown');
    expect(error.text.what).toContain(fingerprint(key));
    expect(error.text.next).toContain(key);
  });

  it('that cannot be checked, for want of the file, is refused', async () => {
    const file = join(folder, 'no-such-file');
    const error = await failure({ argv: ['true'], access: { ...access, hostKeys: { kind: 'knownHosts', file } } });
    expect(error.type).toBe('HostKeyUnknown');
    expect(error.text.what).toContain(file);
  });

  it('that changed is refused with both fingerprints, of the same kind or another', async () => {
    for (const kind of ['ed25519', 'ecdsa'] as const) {
      const pair = ssh2.utils.generateKeyPairSync(kind, { bits: 256 });
      const pinned = pair.public.split(' ').slice(0, 2).join(' ');
      const error = await failure({
        argv: ['true'],
        access: { ...access, hostKeys: { kind: 'pinned', keys: [pinned] } },
      });
      expect(error.type).toBe('HostKeyChanged');
      expect(error.text.what).toContain(fingerprint(await lab.driver.hostKey(host)));
      expect(error.text.what).toContain(fingerprint(pinned));
    }
  });

  it('that was revoked is refused, though it is trusted too', async () => {
    const line = `[${host.address}]:${host.sshPort} ${await lab.driver.hostKey(host)}\n`;
    const error = await failure({ argv: ['true'], access: await knownHosts('revoked', `${line}@revoked ${line}`) });
    expect(error.type).toBe('HostKeyChanged');
    expect(error.text.what).toContain('revoked');
  });

  it('of the jump host is checked too', async () => {
    const jump: SshAccess = { ...(await accessTo(second)), hostKeys: { kind: 'pinned', keys: [] } };
    const error = await failure({ argv: ['true'], access: { ...access, jump } });
    expect(error.type).toBe('HostKeyUnknown');
    expect(error.text.what).toContain('the jump host of h1');
  });
});
