import type { FormingNode } from './formation.js';
import { answeringOf, isMaster, type LookedNode, ownedSlots, replicasOf } from './members.js';
import { endpoint, inHandshake, names } from './picture.js';
import type { Refusal } from './plan.js';
import type { NamedNode } from './reshape-steps.js';

/** A node that is to be forgotten. */
export interface NodeToForget extends NamedNode {
  /** Where it is, where the spec says that it leaves: then whoever is there goes, under any ID. Else only the ID goes. */
  readonly at: { readonly address: string; readonly port: number } | null;
}

/** A node that is to be forgotten, with what is known of it now. */
export interface Goer extends NodeToForget {
  /** The node that has to be out, where it answers; one that lives on under another ID and does not leave is left alone. */
  readonly node: FormingNode | undefined;
  /** Whether it answers us in any way: then its old ID, if it has another one by now, is nobody's any more. */
  readonly answers: boolean;
  /** All IDs that are to be forgotten: one that was reset and met somebody again has a new one. */
  readonly ids: ReadonlySet<string>;
}

export interface ForgetSituation {
  readonly wanted: readonly NodeToForget[];
  readonly nodes: readonly LookedNode[];
}

/** Who is asked and does not go. */
export function membersBeside({ wanted, nodes }: ForgetSituation): LookedNode[] {
  return nodes.filter(
    (node) =>
      !wanted.some(
        ({ name, nodeId, at }) => name === node.name && (at !== null || (node.answered && node.id === nodeId)),
      ),
  );
}

export function goersOf({ wanted, nodes }: ForgetSituation, members: readonly FormingNode[]): Goer[] {
  const entries = members.flatMap(({ view }) => view.filter((entry) => !inHandshake(entry)));
  return wanted.map((leaving) => {
    const { name, nodeId, at } = leaving;
    const there = answeringOf(nodes).find((one) => one.name === name);
    const node = there !== undefined && (at !== null || there.id === nodeId) ? there : undefined;
    const atAddress = at === null ? [] : entries.filter((entry) => endpoint(entry) === endpoint(at));
    const ids = new Set([nodeId, ...(node === undefined ? [] : [node.id]), ...atAddress.map(({ id }) => id)]);
    return { ...leaving, node, answers: there !== undefined, ids };
  });
}

/** Why a node may not be forgotten yet, by the nodes' own words. */
export function heldBy({ name, nodeId, node, ids }: Goer, members: readonly FormingNode[]): Refusal[] {
  const refusal = (what: string, next: string): Refusal[] => [
    { node: name, what: `${name} (ID ${node?.id ?? nodeId}) ${what}.`, next },
  ];
  const other = members.find(({ id }) => ids.has(id));
  if (other !== undefined) return refusal(`answers as ${other.name}`, 'Name the node as the spec does.');
  const slots = node === undefined ? 0 : ownedSlots(node);
  if (slots > 0) return refusal(`owns ${slots} slots`, 'Move them away first.');
  if (node !== undefined && isMaster(node) && node.keys > 0) {
    return refusal(
      `holds ${node.keys} keys of slots that it does not own`,
      'Run repair: they belong to somebody else.',
    );
  }
  const replicas = [...ids].flatMap((id) => replicasOf({ id }, members));
  if (replicas.length === 0) return [];
  return refusal(`is replicated by ${names(replicas)}`, 'Attach them to another master, or let one take over, first.');
}
