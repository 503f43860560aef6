import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import ssh2, { Client, type ConnectConfig } from 'ssh2';
import { ForgeError } from '../../domain/errors.js';
import type { SshEndpoint } from '../../domain/spec.js';
import { fetchHostKeys, hostKeyText, signaturesFor } from './host-key.js';
import { loadTrust, refusalOfKey, type Trust } from './trust.js';

export interface ConnectRequest {
  readonly endpoint: SshEndpoint;
  /** The name of the host in messages. */
  readonly label: string;
  /** Until a login has worked. */
  readonly timeoutMs: number;
  /** The agent's socket, for endpoints that log in by agent. */
  readonly agentSocket: string | undefined;
  /** The way through a jump host; without it a TCP connection is made. */
  readonly through?: Duplex;
}

/** A dead peer is noticed after three unanswered questions: some 20 seconds. */
const KEEPALIVE = { keepaliveInterval: 5_000, keepaliveCountMax: 3 };

const NOTHING_CHANGED = 'Nothing was changed.';

/**
 * Logs in. Throws ForgeError HostUnreachable, HostKeyUnknown, HostKeyChanged, HostAuthFailed, or SecretUnavailable where this machine lacks
 * the key file or the agent.
 */
export async function connect(request: ConnectRequest): Promise<Client> {
  const [trust, login] = await Promise.all([loadTrust(request), loginOf(request)]);
  return new Promise((resolve, reject) => {
    const client = new Client();
    let refused: ForgeError | null = null;
    let ended = false;
    // An error is followed by a close, which says less.
    const fail = (error: Error) => {
      if (ended) return;
      ended = true;
      client.destroy();
      failureOf({ request, trust, refused, error }).then(reject, reject);
    };
    // A command is several small packets each way: without this each waits some 40 ms for the other side's delayed acknowledgement.
    client.once('connect', () => client.setNoDelay(true));
    client.once('ready', () => resolve(client));
    // Stays for the connection's life: an error that nobody listens to would end the process.
    client.on('error', fail);
    client.once('close', () => fail(new Error('the connection was closed')));
    client.connect({
      ...login,
      ...KEEPALIVE,
      ...(request.through === undefined ? {} : { sock: request.through }),
      host: request.endpoint.host,
      port: request.endpoint.port,
      username: request.endpoint.user,
      readyTimeout: request.timeoutMs,
      algorithms: { serverHostKey: signaturesFor(trust.trusted) },
      hostVerifier: (blob: Buffer) => {
        refused = refusalOfKey(trust, hostKeyText(blob));
        return refused === null;
      },
    });
  });
}

async function loginOf({ endpoint, label, agentSocket }: ConnectRequest): Promise<ConnectConfig> {
  if (endpoint.auth.kind === 'key') {
    return { privateKey: await readIdentity(endpoint, endpoint.auth.identityFile, label), authHandler: ['publickey'] };
  }
  if (agentSocket === undefined) {
    throw new ForgeError('SecretUnavailable', {
      what: `The login to ${label} goes by SSH agent, and on ${hostname()} SSH_AUTH_SOCK names none.`,
      left: NOTHING_CHANGED,
      next: 'Start an agent, add the key (ssh-add), and start this process with its SSH_AUTH_SOCK.',
    });
  }
  return { agent: agentSocket, authHandler: ['agent'] };
}

async function readIdentity(endpoint: SshEndpoint, file: string, label: string): Promise<Buffer> {
  const identity = await readFile(file).catch((cause: unknown) => {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    throw new ForgeError(
      'SecretUnavailable',
      {
        what: `On ${hostname()}, the SSH key file ${file} for ${label} cannot be read (${code}).`,
        left: NOTHING_CHANGED,
        next: 'Put the key there, readable for the user of this process, or change ssh.identityFile in the spec.',
      },
      { cause },
    );
  });
  const parsed = ssh2.utils.parseKey(identity);
  if (parsed instanceof Error) throw authFailed({ endpoint, label }, parsed);
  return identity;
}

interface Failure {
  readonly request: ConnectRequest;
  readonly trust: Trust;
  readonly refused: ForgeError | null;
  readonly error: Error & { level?: string };
}

async function failureOf({ request, trust, refused, error }: Failure): Promise<ForgeError> {
  if (refused !== null) return refused;
  if (/no matching host key/i.test(error.message)) return otherKeys(request, trust);
  if (error.level === 'client-authentication' || error.level === 'agent') return authFailed(request, error);
  return unreachable({ label: request.label, endpoint: request.endpoint, reason: error.message, cause: error });
}

/** The server has none of the trusted kinds of keys any more: shows which ones it has. */
async function otherKeys({ endpoint, timeoutMs }: ConnectRequest, trust: Trust): Promise<ForgeError> {
  const [shown] = await fetchHostKeys({ host: endpoint.host, port: endpoint.port, timeoutMs });
  return (
    refusalOfKey(trust, shown ?? '') ??
    unreachable({ label: trust.label, endpoint, reason: 'its host key changed while it was asked' })
  );
}

function authFailed({ endpoint, label }: Pick<ConnectRequest, 'endpoint' | 'label'>, cause: Error): ForgeError {
  const means = endpoint.auth.kind === 'key' ? `the key ${endpoint.auth.identityFile}` : 'the keys of the SSH agent';
  return new ForgeError(
    'HostAuthFailed',
    {
      what: `${label} (${endpoint.host}:${endpoint.port}) does not let ${endpoint.user} in with ${means} (${cause.message}).`,
      left: NOTHING_CHANGED,
      next: `Add the public key to ${endpoint.user}'s ~/.ssh/authorized_keys on the host, or change ssh.user or ssh.identityFile in the spec.`,
    },
    { cause },
  );
}

/** The host cannot be talked to, or not any more. */
export function unreachable({
  label,
  endpoint,
  reason,
  cause,
}: {
  readonly label: string;
  readonly endpoint: SshEndpoint;
  readonly reason: string;
  readonly cause?: unknown;
}): ForgeError {
  return new ForgeError(
    'HostUnreachable',
    {
      what: `${label} cannot be reached over SSH at ${endpoint.host}:${endpoint.port} (${reason}).`,
      left: 'What it does meanwhile goes on as it was.',
      next: 'Check that the host is up, that sshd runs there, and that this machine may connect to that port.',
    },
    { cause },
  );
}
