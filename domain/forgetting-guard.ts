import type { FormingNode } from './formation.js';
import { answeringOf, isMaster, type LookedNode, ownedSlots, replicasOf } from './members.js';
import { endpoint, inHandshake, names } from './picture.js';
import type { Refusal } from './plan.js';
import type { NamedNode } from './reshape-steps.js';

/** A node that is to be forgotten. */
export interface LeavingNode extends NamedNode {
  /** Where it is, where the spec says that it leaves: whoever is there goes. `null`: only its ID is forgotten, a ghost's. */
  readonly at: { readonly address: string; readonly port: number } | null;
}

/** A node that is to be forgotten, with what is known of it now. */
export interface Goer extends LeavingNode {
  /** It answers us; `undefined` where it is lost, or a ghost. */
  readonly node: FormingNode | undefined;
  /** All IDs that it has or had, as far as anybody knows them: one that was reset and met somebody again has a new one. */
  readonly ids: ReadonlySet<string>;
}

export function goersOf(input: {
  readonly wanted: readonly LeavingNode[];
  readonly nodes: readonly LookedNode[];
  readonly members: readonly FormingNode[];
}): Goer[] {
  return input.wanted.map((leaving) => {
    const { name, nodeId, at } = leaving;
    if (at === null) return { ...leaving, node: undefined, ids: new Set([nodeId]) };
    const node = answeringOf(input.nodes).find((one) => one.name === name);
    const there = input.members
      .flatMap(({ view }) => view)
      .filter((entry) => !inHandshake(entry) && endpoint(entry) === endpoint(at))
      .map(({ id }) => id);
    return { ...leaving, node, ids: new Set([nodeId, ...(node === undefined ? [] : [node.id]), ...there]) };
  });
}

/** Why a node may not be forgotten yet, by the nodes' own words. */
export function heldBy({ name, nodeId, node, ids, at }: Goer, members: readonly FormingNode[]): Refusal[] {
  const refusal = (what: string, next: string): Refusal[] => [
    { node: name, what: `${name} (ID ${node?.id ?? nodeId}) ${what}.`, next },
  ];
  const alive = at === null ? members.find(({ id }) => id === nodeId) : undefined;
  if (alive !== undefined) {
    return refusal(`answers as ${alive.name}, and the spec does not say that it leaves`, 'Say so in the spec first.');
  }
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
