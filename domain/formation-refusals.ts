import type { FormationInput, FormationWanted, FormingNode } from './formation.js';
import type { ViewEntry } from './observation.js';
import { ownClaims } from './ownership.js';
import { endpoint, hasFailed, inHandshake, knownGroups, knows } from './picture.js';
import type { Refusal } from './plan.js';
import { formatRanges, slotsIn } from './slots.js';

interface Situation {
  readonly wanted: FormationWanted;
  readonly declared: FormationInput['observation']['nodes'];
  readonly nodes: readonly FormingNode[];
}

/** How many members of another cluster are written out. */
const SHOWN = 5;

/** Why these nodes may not be made one cluster: somebody's data or somebody else's cluster would be hurt. */
export function formationRefusals(situation: Situation): Refusal[] {
  return [...foreignMembers(situation), ...strayData(situation), ...rivalGroups(situation), ...otherShape(situation)];
}

function foreignMembers({ declared, nodes }: Situation): Refusal[] {
  return nodes.flatMap((node) => {
    const foreign = node.view.filter((entry) => isForeign(entry, { declared, nodes }));
    if (foreign.length === 0) return [];
    const shown = foreign.slice(0, SHOWN).map((entry) => `${endpoint(entry)} (${entry.id})`);
    const more = foreign.length > SHOWN ? ` and ${foreign.length - SHOWN} more` : '';
    return refusal(node, `belongs to a cluster with ${shown.join(', ')}${more}, which the spec does not declare`, {
      next: 'Take it out of that cluster first (CLUSTER FORGET there, CLUSTER RESET here), or declare these nodes in the spec.',
    });
  });
}

/** A member that is dead is a ghost, not somebody else's cluster. */
function isForeign(entry: ViewEntry, { declared, nodes }: Pick<Situation, 'declared' | 'nodes'>): boolean {
  if (inHandshake(entry) || hasFailed(entry) || entry.flags.includes('noaddr')) return false;
  return !nodes.some(({ id }) => id === entry.id) && !declared.some((node) => endpoint(node) === endpoint(entry));
}

/** A node with keys that knows none of ours: they were written before it was ours. */
function strayData({ nodes }: Situation): Refusal[] {
  return nodes
    .filter((node) => node.keys > 0 && nodes.length > 1)
    .filter((node) => !nodes.some((other) => other !== node && knows(node, other)))
    .flatMap((node) =>
      refusal(node, `holds ${node.keys} keys and is no member of this cluster`, {
        next: 'Find out whose they are; where nobody needs them, FLUSHALL and CLUSTER RESET it, and run apply again.',
      }),
    );
}

/** Two groups that have each formed on their own: where they met, the slots of the one with the lower epoch would be dropped with their keys. */
function rivalGroups({ nodes }: Situation): Refusal[] {
  const groups = knownGroups(nodes);
  const keysOf = (group: FormingNode[]) => group.reduce((sum, node) => sum + node.keys, 0);
  const [largest] = [...groups].sort((a, b) => keysOf(b) - keysOf(a));
  if (largest === undefined || keysOf(largest) === 0) return [];
  return groups
    .filter((group) => group !== largest)
    .flat()
    .flatMap((node) => {
      const slots = node.view.find(({ id }) => id === node.id)?.slots ?? [];
      if (slots.length === 0) return [];
      return refusal(node, `owns ${slotsIn(slots)} slots (${formatRanges(slots)}) beside a cluster that holds data`, {
        next: 'CLUSTER RESET it when it is not needed, and run apply again.',
      });
    });
}

/** A whole cluster of another shape is not half formed: slots move by a reshard, not by forming. */
function otherShape({ wanted, nodes }: Situation): Refusal[] {
  const owners = ownClaims(nodes).map((claims) => (claims.length === 1 ? claims[0] : undefined));
  const masters = new Set(owners);
  if (masters.has(undefined) || masters.size === wanted.masters.length) return [];
  return [
    {
      what: `All slots are owned by ${masters.size} masters, and the spec wants ${wanted.masters.length}.`,
      next: 'Put the shape that the cluster has into the spec; another shape needs slots to be moved.',
    },
  ];
}

function refusal(node: FormingNode, what: string, { next }: Pick<Refusal, 'next'>): Refusal[] {
  return [{ node: node.name, what: `${node.name} (ID ${node.id}) ${what}.`, next }];
}
