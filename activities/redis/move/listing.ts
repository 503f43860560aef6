import type { SlotKeys } from '../../../domain/move-groups.js';
import { parseInfo } from '../../../domain/parse-info.js';
import { type Command, countOf, type Reply, textOf } from '../connection.js';
import type { WaitingKey } from './key-queue.js';
import type { MovingNodes } from './mover.js';
import { taken } from './trouble.js';

/** Keys of a slot that are asked for at once. */
export const ASKED_KEYS = 4000;

/** How many sizes are asked for in one round trip: the node does nothing else meanwhile. */
const SIZED_AT_ONCE = 250;

/** What its keys take in a node, all together. */
export interface NodeKeys {
  readonly bytes: number;
  readonly bytesPerKey: number;
}

export interface Listed extends SlotKeys {
  readonly named: readonly WaitingKey[];
}

/** @throws MoveTrouble */
export async function keysOfNode(node: string, nodes: MovingNodes): Promise<NodeKeys> {
  const [info, count] = await taken(node, nodes.send(node, [['INFO', 'memory'], ['DBSIZE']]));
  const bytes = Number(parseInfo(textOf(info)).get('used_memory_dataset') ?? 0);
  return { bytes, bytesPerKey: Math.round(bytes / Math.max(1, countOf(count))) };
}

export interface ListRequest {
  readonly node: string;
  readonly nodes: MovingNodes;
  readonly slots: readonly SlotKeys[];
  readonly sizes: KeySizes;
  /** All of them, also where a slot has very many. */
  readonly whole: boolean;
}

/** The keys of slots, as far as they are named in one go. Those that are not open may get others meanwhile. @throws MoveTrouble */
export async function listKeys({ node, nodes, slots, sizes, whole }: ListRequest): Promise<Listed[]> {
  const questions = slots.map(({ slot, keys }): Command => {
    return ['CLUSTER', 'GETKEYSINSLOT', slot, whole ? Math.max(ASKED_KEYS, keys * 2) : ASKED_KEYS];
  });
  const replies = await taken(node, nodes.sendBytes(node, questions));
  const keys = replies.map(keysIn);
  const sized = await sizes.of(keys.flat());
  let at = 0;
  return slots.map((slot, i) => ({ ...slot, named: sized.slice(at, (at += keys[i]?.length ?? 0)) }));
}

/** How large keys are: asked one by one where one of them could be big, else the mean of their node. */
export class KeySizes {
  constructor(
    private readonly node: string,
    private readonly nodes: MovingNodes,
    private readonly keys: NodeKeys,
    private readonly bigKeyBytes: number,
  ) {}

  get bytesPerKey(): number {
    return this.keys.bytesPerKey;
  }

  /** A node whose keys all together take less than one big key has none. */
  get areAsked(): boolean {
    return this.keys.bytes >= this.bigKeyBytes;
  }

  /** @throws MoveTrouble */
  async of(keys: readonly Buffer[]): Promise<WaitingKey[]> {
    if (!this.areAsked) return keys.map((key) => ({ key, bytes: this.keys.bytesPerKey }));
    const sized: WaitingKey[] = [];
    for (let at = 0; at < keys.length; at += SIZED_AT_ONCE) {
      const some = keys.slice(at, at + SIZED_AT_ONCE);
      const questions = some.map((key): Command => ['MEMORY', 'USAGE', key]);
      const replies = await taken(this.node, this.nodes.send(this.node, questions));
      sized.push(...some.map((key, i) => ({ key, bytes: sizeIn(replies[i]) })));
    }
    return sized;
  }
}

/** The keys that a reply names. */
export function keysIn(reply: Reply | undefined): Buffer[] {
  const keys = reply?.ok === true && Array.isArray(reply.value) ? (reply.value as unknown[]) : [];
  return keys.filter((key) => Buffer.isBuffer(key));
}

/** A key that is gone by now has no size. */
function sizeIn(reply: Reply | undefined): number {
  return reply?.ok === true && typeof reply.value === 'number' ? reply.value : 0;
}
