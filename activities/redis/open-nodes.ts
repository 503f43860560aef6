import { type Capabilities, capabilitiesOf } from '../../domain/capabilities.js';
import { type DeclaredNode, declaredNodes } from '../../domain/nodes.js';
import { parseInfo, readIdentity } from '../../domain/parse-info.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { type Command, connectNode, type Credentials, type NodeConnection, type Reply, textOf } from './connection.js';
import { nodeFailure } from './failure.js';
import { isLetGo } from './fence.js';

/** Who works on the nodes. */
export interface Access {
  readonly credentials: Credentials;
  /** Called where a node does not know the user any more, before it is tried once more. @throws ForgeError Fenced where a newer attempt is the reason */
  readonly raiseAgain: (node: string) => Promise<void>;
}

export interface OpenNodesRequest {
  readonly spec: ClusterSpec;
  readonly access: Access;
  /** Deadline of each answer in milliseconds; that of the spec where nothing is said. */
  readonly timeoutMs?: number;
}

/** The declared nodes with connections that stay open for as long as a piece of work takes; a lost one is opened again by the next command. */
export class OpenNodes {
  /** By the node's name, and which of the connections to it. */
  readonly #connections = new Map<string, Promise<NodeConnection>>();
  readonly #capabilities = new Map<string, Capabilities>();
  protected readonly declared: readonly DeclaredNode[];

  constructor(private readonly request: OpenNodesRequest) {
    this.declared = declaredNodes(request.spec);
  }

  get credentials(): Credentials {
    return this.request.access.credentials;
  }

  /** Sends commands to one node in one round trip. @throws NodeSilent; ForgeError Fenced where a newer attempt is at work */
  async send(name: string, commands: readonly Command[]): Promise<Reply[]> {
    return this.#on({ name, way: 0 }, (connection) => connection.pipeline(commands));
  }

  /** As `send`, with a Buffer for every text of the replies. @throws as `send` */
  async sendBytes(name: string, commands: readonly Command[]): Promise<Reply[]> {
    return this.#on({ name, way: 0 }, (connection) => connection.pipelineBytes(commands));
  }

  /** As `send`, over a connection of its own: what waits for answers on the others is not waited for. @throws as `send` */
  async sendAside(aside: string, name: string, commands: readonly Command[]): Promise<Reply[]> {
    return this.#on({ name, way: aside }, (connection) => connection.pipeline(commands));
  }

  /** As `send`, for what takes longer than a node may otherwise take: with a deadline of its own, in milliseconds. @throws as `send` */
  async sendPatiently(name: string, commands: readonly Command[], timeoutMs: number): Promise<Reply[]> {
    const connection = await this.#connect(name, timeoutMs);
    try {
      return await connection.pipelineBytes(commands);
    } finally {
      connection.close();
    }
  }

  /**
   * As `sendBytes`, over several connections at once: a server may hold one back until its replicas have answered. Commands of a row keep their order, rows do
   * not; the replies come row by row. @throws as `send`
   */
  async sendRows(request: { readonly name: string; readonly rows: readonly Row[]; readonly ways: number }) {
    const { name, rows, ways } = request;
    const share = Math.ceil(rows.length / Math.max(1, Math.min(ways, rows.length)));
    const shares = Array.from({ length: Math.ceil(rows.length / share) }, (_, i) =>
      rows.slice(i * share, (i + 1) * share),
    );
    const replies = await allSettled(
      shares.map((own, way) => this.#on({ name, way }, (connection) => connection.pipelineBytes(own.flat()))),
    );
    const flat = replies.flat();
    let at = 0;
    return rows.map((row) => flat.slice(at, (at += row.length)));
  }

  /** As `send`, with a failure for people. @throws ForgeError NodeUnreachable, NodeAuthFailed */
  async mustSend(name: string, commands: readonly Command[]): Promise<Reply[]> {
    try {
      return await this.send(name, commands);
    } catch (error) {
      throw nodeFailure(error, name);
    }
  }

  /** What one node can do. Asked once for each. @throws NodeSilent */
  async capabilitiesOf(name: string): Promise<Capabilities> {
    const known = this.#capabilities.get(name);
    if (known !== undefined) return known;
    const [info] = await this.send(name, [['INFO', 'server']]);
    const capabilities = capabilitiesOf(readIdentity(parseInfo(textOf(info))));
    this.#capabilities.set(name, capabilities);
    return capabilities;
  }

  close(): void {
    for (const opening of this.#connections.values()) {
      opening.then((connection) => connection.close()).catch(() => undefined);
    }
    this.#connections.clear();
  }

  async #on<T>(at: Way, work: (connection: NodeConnection) => Promise<T>): Promise<T> {
    const key = `${at.name} ${at.way}`;
    const opening = this.#connections.get(key) ?? this.#connect(at.name);
    this.#connections.set(key, opening);
    try {
      return await work(await opening);
    } catch (error) {
      if (this.#connections.get(key) === opening) this.#connections.delete(key);
      opening.then((connection) => connection.close()).catch(() => undefined);
      throw error;
    }
  }

  /** A node that was started anew has its users from the file, where ours is not. */
  async #connect(name: string, deadlineMs?: number): Promise<NodeConnection> {
    const { spec, access } = this.request;
    const timeoutMs = deadlineMs ?? this.request.timeoutMs ?? spec.timings.redisCommandMs;
    const node = this.declared.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`${name} is no node of ${spec.name}`);
    const target = { ...node, credentials: access.credentials, timeoutMs, connectMs: spec.timings.redisCommandMs };
    try {
      return await connectNode(target);
    } catch (error) {
      if (!isLetGo(error)) throw error;
      await access.raiseAgain(name);
      return connectNode(target);
    }
  }
}

/** Commands that belong together, in their order. */
export type Row = readonly Command[];

interface Way {
  readonly name: string;
  readonly way: number | string;
}

/** All come to their end before the first failure is told: what a failed one left can be looked at only then. */
async function allSettled<T>(works: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(works);
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}
