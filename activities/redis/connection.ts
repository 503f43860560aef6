import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Secret } from '../../config/secrets.js';
import { asText, encodeCommands, NotResp, RefusedReply, ReplyReader, type Value } from './resp.js';
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

/** Every reply that was wanted has come: a peer that does not hang up too is not waited for. */
const LAST_WORDS_MS = 100;

/** A key is bytes, which need not be a text. */
export type Command = readonly [name: string, ...args: (string | number | Buffer)[]];

/** A reply, or the server's refusal of that one command. */
export type Reply = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: Error };

/** Commands that were sent together, and their replies so far. */
interface Sent {
  readonly replies: Value[];
  readonly count: number;
  readonly deadline: NodeJS.Timeout;
  readonly resolve: (replies: Value[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One open connection to one node. Every failure is a NodeSilent; nothing is retried or queued behind the caller's back. A move sends and reads
 * keys and sizes in a microsecond each: commands that are sent together are one write, and share one promise and one deadline.
 */
export class NodeConnection {
  readonly #secret: string | undefined;
  readonly #reader = new ReplyReader();
  readonly #sent: Sent[] = [];
  /** Why nothing can be sent any more. */
  #over: Error | undefined;

  private constructor(
    private readonly target: NodeTarget,
    private readonly socket: Socket,
  ) {
    this.#secret = target.credentials.password?.reveal();
    socket.setNoDelay(true);
    socket.on('data', (piece: Buffer) => this.#read(piece));
    socket.on('error', (error: Error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('Connection is closed.')));
  }

  /** Connects without authenticating: the login is a command like others, so that it can share a round trip. @throws NodeSilent */
  static async open(target: NodeTarget): Promise<NodeConnection> {
    const { address, port, timeoutMs, connectMs = timeoutMs } = target;
    const socket = connect({ host: address, port });
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(connectMs) });
      return new NodeConnection(target, socket);
    } catch (error) {
      socket.on('error', () => undefined);
      socket.destroy();
      const late = error instanceof Error && error.name === 'AbortError';
      const why = late ? Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' }) : error;
      throw silenceOf(why, target.credentials.password?.reveal());
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
    return (await this.#send(commands)).map((value) => this.#reply(value, asText));
  }

  /** As `pipeline`, with a Buffer for every text of the replies: keys need not be texts. @throws NodeSilent where the node does not answer */
  async pipelineBytes(commands: readonly Command[]): Promise<Reply[]> {
    return (await this.#send(commands)).map((value) => this.#reply(value, (own) => own));
  }

  /** Sends one command. @throws NodeSilent where it is refused or not answered */
  async ask(...command: Command): Promise<unknown> {
    const [reply] = await this.pipeline([command]);
    return valueOf(reply, this.#secret);
  }

  /** What is under way fails. */
  close(): void {
    if (this.#over !== undefined) return;
    this.#end(new Error('Connection is closed.'));
    this.socket.end();
    setTimeout(() => this.socket.destroy(), LAST_WORDS_MS).unref();
  }

  async #send(commands: readonly Command[]): Promise<Value[]> {
    if (commands.length === 0) return [];
    try {
      return await new Promise((resolve, reject) => {
        if (this.#over !== undefined) throw this.#over;
        const deadline = setTimeout(() => this.#fail(new Error('Command timed out')), this.target.timeoutMs);
        this.#sent.push({ replies: [], count: commands.length, deadline, resolve, reject });
        this.socket.write(encodeCommands(commands));
      });
    } catch (error) {
      throw silenceOf(error, this.#secret);
    }
  }

  #read(piece: Buffer): void {
    try {
      for (const reply of this.#reader.read(piece)) this.#answered(reply);
    } catch (error) {
      this.#fail(error);
    }
  }

  #answered(reply: Value): void {
    const [first] = this.#sent;
    if (first === undefined) throw new NotResp('Protocol error: an answer to nothing');
    first.replies.push(reply);
    if (first.replies.length < first.count) return;
    this.#sent.shift();
    clearTimeout(first.deadline);
    first.resolve(first.replies);
  }

  /** Answers that come later would be taken for those of other commands. */
  #fail(error: unknown): void {
    this.#end(error);
    this.socket.destroy();
  }

  #end(error: unknown): void {
    if (this.#over !== undefined) return;
    this.#over = error instanceof Error ? error : new Error(String(error));
    for (const { deadline, reject } of this.#sent.splice(0)) {
      clearTimeout(deadline);
      reject(this.#over);
    }
  }

  /** A refusal is the server's answer to one command. */
  #reply(value: Value, read: (value: Value) => unknown): Reply {
    if (value instanceof RefusedReply) return { ok: false, error: silenceOf(value, this.#secret) };
    return { ok: true, value: read(value) };
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
