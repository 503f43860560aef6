import type { Duplex, Readable } from 'node:stream';
import type { Client } from 'ssh2';
import { ForgeError } from '../../domain/errors.js';
import type { SshRoute, SshEndpoint } from '../../domain/spec.js';
import { connect, unreachable } from './connect.js';
import { type Conversation, converse, NoAnswer, NotBegun } from './converse.js';
import { createLimiter, type Limiter } from './limiter.js';
import { quoteArgv } from './quote.js';
import { type CommandResult, type Ending, MOST_OUTPUT_BYTES, runCommand } from './run-command.js';

export interface SshPoolOptions {
  /** The SSH agent's socket (SSH_AUTH_SOCK); needed where a spec logs in by agent. */
  readonly agentSocket?: string | undefined;
  /** Commands at once on one connection; sshd allows 10 (MaxSessions) by default. */
  readonly channelsPerHost?: number;
  /** Logins at once; each costs a key exchange on this machine. */
  readonly logins?: number;
}

export interface SshCommand {
  readonly access: SshRoute;
  /** The host's name in the spec, for messages. */
  readonly host: string;
  readonly argv: readonly string[];
  /**
   * Content goes here, never into argv: argv can be read by everyone on the host. What is too large for memory comes as a function that begins it anew
   * for each attempt; where it fails, so does the command.
   */
  readonly stdin?: string | (() => Readable);
  /** What it is for, in messages; the program's name by default. */
  readonly purpose?: string;
  /** From the moment on in which the connection stands. */
  readonly deadlineMs: number;
  /** Until a login has worked, where there is no connection yet. */
  readonly connectMs: number;
}

export interface SshPool {
  /**
   * Runs a command on a host over the host's one connection, which is made where there is none. Any exit code is a result. Throws ForgeError:
   * those of a login, CommandTimeout, HostUnreachable where the connection broke or the command was killed there, CommandFailed where it printed too much.
   */
  run(command: SshCommand): Promise<CommandResult>;
  /**
   * Runs a command and talks with it over its stdin and stdout until `talk` is done; then the command's stdin ends and its channel is closed. After
   * the deadline it counts as ended. Throws ForgeError: those of a login, and HostUnreachable or CommandTimeout where no channel could be had.
   */
  converse<T>(command: Omit<SshCommand, 'stdin'>, talk: (conversation: Conversation) => Promise<T>): Promise<T>;
  /** Ends all connections; commands that run fail. */
  close(): Promise<void>;
}

interface Connection {
  readonly client: Client;
  readonly limit: Limiter;
}

/** One connection per host, used again until it dies; made again by the next command. */
export function createSshPool({ agentSocket, channelsPerHost = 8, logins = 16 }: SshPoolOptions = {}): SshPool {
  const connections = new Map<string, Promise<Connection>>();
  const login = createLimiter(logins);

  const open = async (access: SshRoute, label: string, timeoutMs: number): Promise<Connection> => {
    const { jump, ...endpoint } = access;
    const through = jump === undefined ? {} : { through: await tunnel({ jump, endpoint, label, timeoutMs }) };
    const client = await login(() => connect({ endpoint, label, timeoutMs, agentSocket, ...through }));
    return { client, limit: createLimiter(channelsPerHost) };
  };

  const tunnel = async ({ jump, endpoint, label, timeoutMs }: Tunnel): Promise<Duplex> => {
    const { client } = await connectionTo(jump, `the jump host of ${label}`, timeoutMs);
    return new Promise((resolve, reject) => {
      client.forwardOut('127.0.0.1', 0, endpoint.host, endpoint.port, (error, stream) => {
        if (error === undefined) resolve(stream);
        else
          reject(
            unreachable({ label, endpoint, reason: `${error.message}, from jump host ${jump.host}`, cause: error }),
          );
      });
    });
  };

  const connectionTo = (access: SshRoute, label: string, timeoutMs: number): Promise<Connection> => {
    const key = JSON.stringify(access);
    const known = connections.get(key);
    if (known !== undefined) return known;
    const opening = open(access, label, timeoutMs);
    connections.set(key, opening);
    const gone = () => forget(key, opening);
    opening.then(({ client }) => client.once('close', gone), gone);
    return opening;
  };

  const forget = (key: string, opening: Promise<Connection>) => {
    if (connections.get(key) === opening) connections.delete(key);
  };

  const attempt = async (command: SshCommand, line: string): Promise<Ending> => {
    const { access, host, connectMs, stdin = '', deadlineMs } = command;
    const opening = connectionTo(access, host, connectMs);
    const { client, limit } = await opening;
    const ending = await limit(() => runCommand({ client, line, stdin, deadlineMs }));
    if (ending.kind === 'not-begun') forget(JSON.stringify(access), opening);
    return ending;
  };

  return {
    async run(command) {
      const line = quoteArgv(withDeadline(command));
      const ending = await attempt(command, line);
      // The connection had died unnoticed, and nothing was begun on it.
      return resultOf(command, ending.kind === 'not-begun' ? await attempt(command, line) : ending);
    },

    async converse(command, talk) {
      const line = quoteArgv(withDeadline(command));
      const { access, host, connectMs, deadlineMs } = command;
      const begin = async () => {
        const opening = connectionTo(access, host, connectMs);
        const { client, limit } = await opening;
        try {
          return await limit(() => converse({ client, line, deadlineMs, talk }));
        } catch (error) {
          if (error instanceof NotBegun) forget(JSON.stringify(access), opening);
          throw error;
        }
      };
      try {
        return await begin().catch((error: unknown) => {
          // As in run: the connection had died unnoticed.
          if (error instanceof NotBegun) return begin();
          throw error;
        });
      } catch (error) {
        if (error instanceof NoAnswer) throw timedOut(command);
        if (!(error instanceof NotBegun)) throw error;
        throw unreachable({ label: host, endpoint: access, reason: error.message });
      }
    },

    async close() {
      const all = [...connections.values()];
      connections.clear();
      for (const opened of await Promise.allSettled(all)) {
        if (opened.status === 'fulfilled') opened.value.client.destroy();
      }
    },
  };
}

/** The host kills a little after we have given up, so that a timeout is seen as one. */
const HOST_GRACE_MS = 500;

/**
 * The host itself keeps the deadline: over a broken connection nothing of ours could end the command, and sshd does not pass signals on to
 * root's commands. What the command detached (setsid) lives on.
 */
function withDeadline({ argv, deadlineMs }: Pick<SshCommand, 'argv' | 'deadlineMs'>): string[] {
  return ['timeout', '-s', 'KILL', `${(deadlineMs + HOST_GRACE_MS) / 1000}`, ...argv];
}

interface Tunnel {
  readonly jump: SshEndpoint;
  readonly endpoint: SshEndpoint;
  readonly label: string;
  readonly timeoutMs: number;
}

function resultOf(command: SshCommand, ending: Ending): CommandResult {
  const { host, access, purpose = command.argv[0] } = command;
  const failed = (what: string) =>
    new ForgeError('CommandFailed', {
      what: `On ${host}, ${purpose} ${what}.`,
      left: 'How much of it was done is not known.',
      next: 'Look at the host, then ask again: a step that was done is not done twice.',
    });
  switch (ending.kind) {
    case 'exited':
      if (ending.result.exitCode === 127 && /timeout: (command )?not found/.test(ending.result.stderr)) {
        throw failed('could not begin: the host lacks the program timeout (Debian package coreutils)');
      }
      return ending.result;
    case 'killed':
      // A host that goes down ends its sessions first: asked again, it may be back.
      throw new ForgeError('HostUnreachable', {
        what: `On ${host}, ${purpose} was ended by ${ending.signal}: the host goes down, or somebody there ended it.`,
        left: 'How much of it was done is not known.',
        next: 'Look at the host, then ask again: a step that was done is not done twice.',
      });
    case 'too-much-output':
      throw failed(`printed more than ${MOST_OUTPUT_BYTES} bytes and was ended`);
    case 'not-begun':
      throw unreachable({ label: host, endpoint: access, reason: ending.reason });
    case 'lost':
      throw unreachable({ label: host, endpoint: access, reason: `the connection broke during ${purpose}` });
    case 'deadline':
      throw timedOut(command);
    case 'no-input':
      throw ending.error;
    default:
      return ending satisfies never;
  }
}

function timedOut({ host, argv, deadlineMs, purpose = argv[0] }: SshCommand): ForgeError {
  return new ForgeError('CommandTimeout', {
    what: `On ${host}, ${purpose} did not end within ${deadlineMs} ms and was killed.`,
    left: 'What it had done by then stays; each effect is whole or not there.',
    next: 'Look whether the host hangs or is overloaded, then ask again: a step that was done is not done twice.',
  });
}
