import type { ApplyWorld } from './apply-world.js';
import type { Members } from './cluster-members.js';
import { hasFailed } from './picture.js';
import type { Refusal } from './plan.js';
import type { SlotMove } from './slot-moves.js';

/** Why a change of members, roles or slots may not be begun now. */
export function shapeRefusals(
  _world: ApplyWorld,
  { cluster }: { readonly cluster: Members; readonly moves: readonly SlotMove[] },
): Refusal[] {
  return [...silentMembers(cluster), ...failureFlags(cluster)];
}

/** All that stay have to be there: a change is agreed by all of them, and told to all of them. */
function silentMembers({ members }: Members): Refusal[] {
  return members
    .filter(({ answer, leaving }) => answer === null && leaving === null)
    .map(({ node }) => ({
      host: node.host,
      node: node.name,
      what: `${node.name} does not answer, and roles and slots are changed only while all members do.`,
      next: 'Start it (apply of the spec as it was does), or let it leave by name (leaving: lost) with a node in its place.',
    }));
}

/** A node that answers us and that others take for dead: a failover may begin at any moment. */
function failureFlags({ picture }: Members): Refusal[] {
  const ids = new Set(picture.members.map(({ id }) => id));
  return picture.members.flatMap((viewer) => {
    const failed = viewer.view.filter((entry) => ids.has(entry.id) && entry.id !== viewer.id && hasFailed(entry));
    const names = failed.map(({ id }) => picture.members.find((node) => node.id === id)?.name ?? id);
    if (failed.length === 0) return [];
    return [
      {
        node: viewer.name,
        what: `${viewer.name} takes ${names.join(', ')} for failed, which answers us: a failover may begin at any moment.`,
        next: 'Wait until it is gone, or see whether the bus ports (port + 10000) are open between these hosts.',
      },
    ];
  });
}
