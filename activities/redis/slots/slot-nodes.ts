import { declaredNodes } from '../../../domain/nodes.js';
import { type KeyCounts, type SlotNode, type SlotStates, SlotTable } from '../../../domain/slot-states.js';
import { ForgeError } from '../../../domain/errors.js';
import { selfOf } from '../../../domain/observation.js';
import { hasFailed } from '../../../domain/picture.js';
import { parseInfo, readClusterInfo } from '../../../domain/parse-info.js';
import { myselfIn, parseClusterNodes } from '../../../domain/parse-nodes.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { type Command, countOf, type Reply, textOf } from '../connection.js';
import { OpenNodes, type OpenNodesRequest } from '../open-nodes.js';
import { fallenBefore } from '../fallen.js';
import { frame } from './look.js';

export interface SlotNodesRequest extends OpenNodesRequest {
  /** Names of the declared nodes that are worked with; the others are taken for silent. */
  readonly names: ReadonlySet<string>;
}

type Looked = SlotStates['nodes'][number];

/** The declared nodes as a repair of slots asks them: all in one round trip each. */
export class SlotNodes extends OpenNodes {
  readonly #spec: ClusterSpec;
  readonly #names: ReadonlySet<string>;

  constructor({ names, ...request }: SlotNodesRequest) {
    super(request);
    this.#spec = request.spec;
    this.#names = names;
  }

  /** Who is what, and how many keys each has in these slots. @throws ForgeError Fenced */
  async look(slots: readonly number[]): Promise<SlotTable> {
    const looked = await Promise.all(declaredNodes(this.#spec).map((node) => this.#lookAt(node, slots)));
    const keys: KeyCounts = Object.fromEntries(looked.map(({ node, counts }) => [node.name, counts]));
    const nodes = looked.map(({ node }) => node);
    return new SlotTable({ ...frame(this.#spec), nodes, keys, hidden: {}, fallen: await this.#fallen(nodes) });
  }

  /** By node name, who fell before each master; where all answer nobody is asked. */
  async #fallen(nodes: readonly Looked[]): Promise<SlotStates['fallen']> {
    if (nodes.every(({ answered }) => answered)) return {};
    const masters = nodes.flatMap((node) => (node.answered && selfOf(node)?.masterId === null ? [node] : []));
    const found = masters.map(async ({ name, id, view }) => {
      try {
        const capabilities = await this.capabilitiesOf(name);
        return [name, await fallenBefore({ name, id, capabilities }, this)] as const;
      } catch (error) {
        if (error instanceof ForgeError) throw error;
        // Nobody said who it was: whoever has failed may be, until the next look.
        return [name, view.filter(hasFailed).map((entry) => entry.id)] as const;
      }
    });
    return Object.fromEntries(await Promise.all(found));
  }

  async #lookAt(
    declared: ReturnType<typeof declaredNodes>[number],
    slots: readonly number[],
  ): Promise<{ node: Looked; counts: Record<number, number> }> {
    const { name, address, port } = declared;
    const asked = { name, address, port, declared: true };
    const silent = { node: { ...asked, answered: false as const }, counts: {} };
    if (!this.#names.has(name)) return silent;
    try {
      const counting = slots.map((slot): Command => ['CLUSTER', 'COUNTKEYSINSLOT', slot]);
      const [nodes, info, ...counts] = await this.send(name, [['CLUSTER', 'NODES'], ['CLUSTER', 'INFO'], ...counting]);
      const node: SlotNode = { ...asked, answered: true, ...readLook([nodes, info]) };
      return { node, counts: Object.fromEntries(slots.map((slot, i) => [slot, countOf(counts[i])])) };
    } catch (error) {
      if (error instanceof ForgeError) throw error;
      return silent;
    }
  }
}

function readLook([nodes, info]: readonly (Reply | undefined)[]) {
  const view = parseClusterNodes(textOf(nodes));
  return { id: myselfIn(view), view, slotTasks: readClusterInfo(parseInfo(textOf(info))).slotTasks };
}
