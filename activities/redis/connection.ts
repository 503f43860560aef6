import { type ChainableCommander, Redis } from 'ioredis';
import type { Secret } from '../../config/secrets.js';
import { silenceOf } from './silence.js';

/** Who we are to a node; without a password nothing is said. */
export interface Credentials {
  readonly user?: string;
  readonly password?: Secret;
}

export interface NodeTarget {
  readonly address: string;
  readonly port: number;
  readonly credentials: Credentials;
  /** Deadline in milliseconds of connecting, and of each answer. */
  readonly timeoutMs: number;
  /** Another one of connecting. */
  readonly connectMs?: number;
}

const LAST_WORDS_MS = 100;

/** A key is bytes, which need not be a text. */
export type Command = readonly [name: string, ...args: (string | number | Buffer)[]];

/** A reply, or the server's refusal of that one command. */
export type Reply = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: Error };

/** One open connection to one node. Every failure is a NodeSilent; nothing is retried or queued behind the caller's back. */
export class NodeConnection {
  readonly #redis: Redis;
  readonly #secret: string | undefined;
  #lastError: Error | undefined;

  private constructor(private readonly target: NodeTarget) {
    this.#secret = target.credentials.password?.reveal();
    this.#redis = new Redis({
      host: target.address,
      port: target.port,
      protocol: 2,
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      disableClientInfo: true,
      maxRetriesPerRequest: 0,
      retryStrategy: null,
      autoResendUnfulfilledCommands: false,
      connectTimeout: target.connectMs ?? target.timeoutMs,
      commandTimeout: target.timeoutMs,
      // Every reply that was wanted has come: a peer that does not hang up too is not waited for.
      disconnectTimeout: LAST_WORDS_MS,
    });
    this.#redis.on('error', (error: Error) => {
      this.#lastError = error;
    });
  }

  /** Connects without authenticating: the login is a command like others, so that it can share a round trip. @throws NodeSilent */
  static async open(target: NodeTarget): Promise<NodeConnection> {
    const connection = new NodeConnection(target);
    try {
      await connection.#redis.connect();
      return connection;
    } catch (error) {
      connection.close();
      throw silenceOf(connection.#lastError ?? error, connection.#secret);
    }
  }

  /** The command that authenticates; none where there is no password. */
  login(): Command[] {
    if (this.#secret === undefined) return [];
    const { user } = this.target.credentials;
    return [user === undefined ? ['AUTH', this.#secret] : ['AUTH', user, this.#secret]];
  }

  /** Sends all commands at once and gives each one's reply, in order. @throws NodeSilent where the node does not answer */
  async pipeline(commands: readonly Command[]): Promise<Reply[]> {
    if (commands.length === 0) return [];
    const pipeline = this.#redis.pipeline();
    for (const [name, ...args] of commands) pipeline.call(name, ...args);
    return this.#exec(pipeline);
  }

  /** As `pipeline`, with a Buffer for every text of the replies: keys need not be texts. @throws NodeSilent where the node does not answer */
  async pipelineBytes(commands: readonly Command[]): Promise<Reply[]> {
    if (commands.length === 0) return [];
    const pipeline = this.#redis.pipeline();
    for (const [name, ...args] of commands) pipeline.callBuffer(name, ...args);
    return this.#exec(pipeline);
  }

  /** Sends one command. @throws NodeSilent where it is refused or not answered */
  async ask(...command: Command): Promise<unknown> {
    const [reply] = await this.pipeline([command]);
    return valueOf(reply, this.#secret);
  }

  /** A connection that never came about is over already; to end it once more would leave a timer, for which the process then stays. */
  close(): void {
    if (this.#redis.status !== 'end') this.#redis.disconnect();
  }

  async #exec(pipeline: ChainableCommander): Promise<Reply[]> {
    const results = (await pipeline.exec().catch((error: unknown) => this.#fail(error))) ?? [];
    return results.map(([error, value]) => this.#reply(error, value));
  }

  /** A refusal is the server's answer to one command; a connection that is gone or silent fails them all. */
  #reply(error: Error | null, value: unknown): Reply {
    if (error === null) return { ok: true, value };
    if (error.name !== 'ReplyError') return this.#fail(error);
    return { ok: false, error: silenceOf(error, this.#secret) };
  }

  #fail(error: unknown): never {
    const closed = error instanceof Error && error.message === 'Connection is closed.';
    throw silenceOf(closed ? (this.#lastError ?? error) : error, this.#secret);
  }
}

/** The value of a reply. @throws NodeSilent where the server refused */
export function valueOf(reply: Reply | undefined, secret?: string): unknown {
  if (reply === undefined) throw silenceOf(new Error('no reply'));
  if (!reply.ok) throw silenceOf(reply.error, secret);
  return reply.value;
}

/** The text of a reply. @throws NodeSilent where the server refused or gave something else */
export function textOf(reply: Reply | undefined): string {
  const value = valueOf(reply);
  if (typeof value !== 'string')
    throw silenceOf(new Error(`a reply of type ${typeof value} where a text was expected`));
  return value;
}

/** The number of things in a reply. @throws NodeSilent where the server refused or gave something else */
export function countOf(reply: Reply | undefined): number {
  const value = valueOf(reply);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw silenceOf(new Error(`a reply of type ${typeof value} where a count was expected`));
  return value;
}

/** What CONFIG GET of one setting gave; empty where the server does not know it. */
export function settingOf(reply: Reply | undefined): string {
  const pair: unknown = reply?.ok === true ? reply.value : [];
  return Array.isArray(pair) && typeof pair[1] === 'string' ? pair[1] : '';
}

/** Opens an authenticated connection; the caller closes it. @throws NodeSilent */
export async function connectNode(target: NodeTarget): Promise<NodeConnection> {
  const connection = await NodeConnection.open(target);
  try {
    for (const reply of await connection.pipeline(connection.login())) valueOf(reply);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Runs `use` on an authenticated connection that is closed whatever happens. @throws NodeSilent */
export async function withNode<T>(target: NodeTarget, use: (node: NodeConnection) => Promise<T>): Promise<T> {
  const connection = await connectNode(target);
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}
