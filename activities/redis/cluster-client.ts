import { endpoint } from '../../domain/picture.js';
import { eachSlot } from '../../domain/ownership.js';
import { SLOT_COUNT } from '../../domain/slots.js';
import { type Command, connectNode, type Credentials, type NodeConnection, type Reply, valueOf } from './connection.js';
import { nodeFailure } from './failure.js';

/** How often one command may be sent on before we call it a loop. */
const REDIRECTS = 5;

/** A cluster client that shows each redirect instead of hiding it; nodes are named by `address:port`. */
export class ClusterClient {
  readonly #connections = new Map<string, Promise<NodeConnection>>();

  constructor(private readonly access: { readonly credentials: Credentials; readonly timeoutMs: number }) {}

  /** Where the node sends a client with this command; `undefined` where it takes the command itself. @throws ForgeError */
  async redirectOf(node: string, command: Command): Promise<string | undefined> {
    return movedTo(await this.#send(node, command), node);
  }

  /** The reply of whoever is in charge in the end. @throws ForgeError NodeUnreachable, NodeAuthFailed */
  async follow(node: string, command: Command): Promise<unknown> {
    let at = node;
    for (let hops = 0; hops < REDIRECTS; hops += 1) {
      const reply = await this.#send(at, command);
      const target = movedTo(reply, at);
      if (target === undefined) return this.#value(reply, at);
      at = target;
    }
    throw nodeFailure(new Error(`sent on more than ${REDIRECTS} times for ${command[0]}`), node);
  }

  /** The master of each slot, as CLUSTER SLOTS of one node tells its clients. @throws ForgeError */
  async slotOwners(node: string): Promise<(string | undefined)[]> {
    const owners = new Array<string | undefined>(SLOT_COUNT).fill(undefined);
    const rows: unknown = await this.follow(node, ['CLUSTER', 'SLOTS']);
    for (const row of Array.isArray(rows) ? (rows as unknown[]) : []) {
      if (!Array.isArray(row) || !Array.isArray(row[2])) continue;
      const [from, to, [address, port]] = row as [number, number, [string, number]];
      for (const slot of eachSlot([[from, to]])) owners[slot] = endpoint({ address, port });
    }
    return owners;
  }

  close(): void {
    for (const opening of this.#connections.values()) {
      opening.then((connection) => connection.close()).catch(() => undefined);
    }
    this.#connections.clear();
  }

  async #send(node: string, command: Command): Promise<Reply> {
    try {
      const [reply] = await (await this.#open(node)).pipeline([command]);
      return reply ?? { ok: false, error: new Error('no reply') };
    } catch (error) {
      throw nodeFailure(error, node);
    }
  }

  #value(reply: Reply, node: string): unknown {
    try {
      return valueOf(reply);
    } catch (error) {
      throw nodeFailure(error, node);
    }
  }

  #open(node: string): Promise<NodeConnection> {
    const open = this.#connections.get(node);
    if (open !== undefined) return open;
    const colon = node.lastIndexOf(':');
    const opening = connectNode({
      address: node.slice(0, colon),
      port: Number(node.slice(colon + 1)),
      ...this.access,
    });
    this.#connections.set(node, opening);
    return opening;
  }
}

/** `MOVED slot address:port`; an empty address means the one that was asked. */
function movedTo(reply: Reply, asked: string): string | undefined {
  const match = reply.ok ? null : /MOVED \d+ (.*):(\d+)/.exec(reply.error.message);
  if (match === null) return undefined;
  const [, address = '', port = ''] = match;
  return `${address === '' ? asked.slice(0, asked.lastIndexOf(':')) : address}:${port}`;
}
