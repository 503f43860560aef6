import type { ApplyWorld } from './apply-world.js';
import type { Members } from './cluster-members.js';
import { contentRefusals, versionRefusals } from './move-forecast.js';
import { endpoint, hasFailed } from './picture.js';
import type { PlannedReplica, Refusal } from './plan.js';
import type { SlotMove } from './slot-moves.js';
import type { ClusterSpec } from './spec.js';

export interface ShapeChange {
  readonly cluster: Members;
  readonly moves: readonly SlotMove[];
  /** Replicas that their masters get before slots move. */
  readonly joined: readonly PlannedReplica[];
}

/** Why a change of members, roles or slots may not be begun now. */
export function shapeRefusals(world: ApplyWorld, { cluster, moves, joined }: ShapeChange): Refusal[] {
  const { spec, observation, slotFacts: facts } = world;
  return [
    ...silentMembers(cluster),
    ...lostQuorum(cluster),
    ...failureFlags(cluster),
    ...strangers(cluster),
    ...uncovered(spec, { cluster, moves, joined }),
    ...versionRefusals({ spec, observation, moves }),
    ...(facts === undefined ? [] : contentRefusals({ spec, observation, facts, moves })),
  ];
}

/** All that stay have to be there: a change is agreed by all of them, and told to all of them. */
function silentMembers({ members }: Members): Refusal[] {
  return members
    .filter(({ answer, leaving }) => answer === null && leaving === null)
    .map(({ node }) => ({
      host: node.host,
      node: node.name,
      what: `${node.name} does not answer, and members, roles and slots are changed only while all that stay do.`,
      next: 'Start it (apply of the spec as it was does), or let it leave by name (leaving: lost) with a node in its place.',
    }));
}

/** Without most of the masters nothing is agreed: no failover, and no new owner that all would believe. */
function lostQuorum({ picture, members }: Members): Refusal[] {
  const masters = new Set(
    picture.members.flatMap(({ view }) => view.filter(({ slots }) => slots.length > 0).map(({ id }) => id)),
  );
  const alive = [...masters].filter((id) => members.some((member) => member.id === id && member.answer !== null));
  if (masters.size === 0 || 2 * alive.length > masters.size) return [];
  return [
    {
      what: `Only ${alive.length} of ${masters.size} masters answer: there is no majority to agree on a change.`,
      next: 'Bring masters back first.',
    },
  ];
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
        what: `${viewer.name} takes ${names.join(', ')} for failed, and we are answered: a failover may begin at any moment.`,
        next: 'Wait until it is over, or see whether the bus ports (port + 10000) are open between these hosts.',
      },
    ];
  });
}

/** A member that the spec does not know may follow, or vote for, whatever we change; nobody could tell it. */
function strangers({ picture }: Members): Refusal[] {
  return picture.members
    .filter(({ declared }) => !declared)
    .map((node) => ({
      node: node.name,
      what: `${endpoint(node)} (${node.id}) is a member, and the spec does not declare it.`,
      next: 'Declare it in the spec, with leaving: drain where it is to go.',
    }));
}

/** Slots are not moved from or to a master that has no copy: were it lost in the middle, so were they. */
function uncovered({ shape }: ClusterSpec, { cluster, moves, joined }: ShapeChange): Refusal[] {
  if (shape.replicasPerMaster === 0) return [];
  const atWork = cluster.members.filter(
    ({ node, slots }) => slots.length > 0 && moves.some(({ from, to }) => [from, to].includes(node.name)),
  );
  return atWork.flatMap(({ node: { name } }) => {
    const inSync = cluster.members.filter(({ master, inSync: copy }) => master === name && copy).length;
    if (inSync > 0 || joined.some(({ of }) => of === name)) return [];
    return [
      {
        node: name,
        what: `${name} has 0 replicas in sync, wanted are ${shape.replicasPerMaster}: its slots would be lost with it in the middle of a move.`,
        next: 'Bring its replica back first, or run repair.',
      },
    ];
  });
}
