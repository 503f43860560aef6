import { type AnsweringNode, type OpenSlot, selfOf } from './observation.js';
import { type Claims, eachSlot, ownClaims, ownsSlots, rangesBy, viewedOwners } from './ownership.js';
import { finding, nameOfId, names, type Picture } from './picture.js';
import { compactRanges, formatRanges, slotsIn, type SlotRange } from './slots.js';
import type { Finding } from './verdict.js';

/** How many of a longer list are written out. */
const SHOWN = 10;

const REPAIR =
  'Run `redisforge repair`, unless a move is under way: it finishes what was begun, and closes it only where no key has been moved.';

/** Findings about who owns which slot, and whether all nodes see it so. */
export function slotFindings(picture: Picture): Finding[] {
  const claims = ownClaims(picture.answering);
  const owners = picture.members.map((member) => viewedOwners(member.view));
  return [
    ...uncoveredSlots(picture, claims, owners),
    ...conflicts(picture, claims),
    ...picture.answering.flatMap((node) => openSlots(picture, node)),
    ...openTasks(picture),
    ...strayKeys(picture),
    ...splitOwnership(picture, claims, owners),
    ...splitRoles(picture),
    ...epochCollisions(picture),
    ...statesDown(picture),
    ...lostQuorum(picture, owners),
  ];
}

type Owners = readonly (readonly (string | undefined)[])[];

function uncoveredSlots(picture: Picture, claims: Claims, owners: Owners): Finding[] {
  const lost = rangesBy((slot) => (claims[slot]?.length === 0 ? (mostSeen(owners, slot) ?? '') : undefined));
  return [...lost].map(([owner, ranges]) => {
    const { known, next } = whoseTurn(picture, owner);
    return finding({ code: 'SlotUncovered', evidence: `${slotsText(ranges)} served by nobody; ${known}.`, next });
  });
}

/** What is known of slots that nobody who answers claims, and what to do; `owner` is an ID or empty. */
function whoseTurn(picture: Picture, owner: string): { readonly known: string; readonly next: string } {
  if (picture.answering.length === 0) {
    return {
      known: 'no node answers that could know more',
      next: 'Get a node to answer first: whether the slots have owners, only the nodes know.',
    };
  }
  if (owner === '') {
    return {
      known: 'no node knows an owner',
      next: 'Assign them with apply (or CLUSTER ADDSLOTS), unless a node that holds their keys can be brought back.',
    };
  }
  const name = nameOfId(picture, owner);
  if (picture.answering.some(({ id }) => id === owner)) {
    return { known: `the others see ${name} as the owner, which does not claim them`, next: REPAIR };
  }
  return {
    known: `the others see ${name} as the owner, which does not claim them`,
    next: `Bring ${name} back, or wait for the failover to its replica.`,
  };
}

function mostSeen(owners: Owners, slot: number): string | undefined {
  const votes = new Map<string, number>();
  for (const view of owners) {
    const owner = view[slot];
    if (owner !== undefined) votes.set(owner, (votes.get(owner) ?? 0) + 1);
  }
  return [...votes].sort((a, b) => b[1] - a[1])[0]?.[0];
}

function conflicts(picture: Picture, claims: Claims): Finding[] {
  const contested = rangesBy((slot) => {
    const owners = claims[slot] ?? [];
    return owners.length > 1 ? owners.join(' ') : undefined;
  });
  return [...contested].map(([owners, ranges]) =>
    finding({
      code: 'SlotConflict',
      evidence: `${slotsText(ranges)} claimed by ${owners
        .split(' ')
        .map((id) => nameOfId(picture, id))
        .join(' and ')} at once.`,
      next: `${REPAIR} Until then Redis itself gives them to the newest claim, and the other one deletes its keys.`,
    }),
  );
}

function openSlots(picture: Picture, node: AnsweringNode): Finding[] {
  const self = selfOf(node);
  if (self === undefined) return [];
  const open = (direction: string, slots: readonly OpenSlot[]) => {
    if (slots.length === 0) return [];
    const shown = slots.slice(0, SHOWN).map(({ slot, peer }) => `${slot} ${direction} ${nameOfId(picture, peer)}`);
    const more = slots.length > SHOWN ? ` and ${slots.length - SHOWN} more` : '';
    return [
      finding({
        code: 'OpenSlot',
        about: node,
        evidence: `A slot move was begun and not ended on ${node.name}: ${shown.join(', ')}${more}.`,
        next: REPAIR,
      }),
    ];
  };
  return [...open('to', self.migrating), ...open('from', self.importing)];
}

/** Whether a task runs, or fails and is tried again for ever, only the node's own list says. */
function openTasks(picture: Picture): Finding[] {
  return picture.members
    .filter(({ slotTasks }) => slotTasks > 0)
    .map((node) =>
      finding({
        code: 'OpenSlotTask',
        about: node,
        evidence: `${node.name} has ${node.slotTasks} of the engine's own tasks to move slots, which run, or fail and are tried again.`,
        next: 'Wait where a move is under way (CLUSTER MIGRATION STATUS ALL); else `redisforge repair` cancels what fails again and again.',
      }),
    );
}

/** Those of slots that the node has open are told of as open. */
function strayKeys(picture: Picture): Finding[] {
  return picture.members.flatMap((node) => {
    const { ranges, hidden } = node.strayKeys ?? { ranges: [], hidden: 0 };
    const open = new Set(selfOf(node)?.importing.map(({ slot }) => slot));
    const strays = compactRanges([...eachSlot(ranges)].filter((slot) => !open.has(slot)).map((slot) => [slot, slot]));
    const where = [
      ...(strays.length === 0 ? [] : [slotsText(strays)]),
      ...(hidden === 0 ? [] : ['slots that it does not tell']),
    ];
    if (where.length === 0) return [];
    return finding({
      code: 'StrayKeys',
      about: node,
      evidence: `${node.name} has keys of ${where.join(' and of ')} without owning them: no client is sent to them.`,
      next: `${REPAIR} Do not restart ${node.name} before: Redis 8.4 and newer deletes such keys at its start.`,
    });
  });
}

/** Each view against the owners' own words; where an owner is silent, against what most others see. */
function splitOwnership(picture: Picture, claims: Claims, owners: Owners): Finding[] {
  const reference = claims.map((own, slot): readonly (string | undefined)[] => {
    return own.length > 0 ? own : [mostSeen(owners, slot)];
  });
  return picture.members.flatMap((viewer, i) => {
    const differing = rangesBy((slot) => {
      const seen = owners[i]?.[slot];
      return reference[slot]?.includes(seen) === true ? undefined : (seen ?? '');
    });
    if (differing.size === 0) return [];
    const words = [...differing].map(
      ([seen, ranges]) => `${slotsText(ranges)} with ${seen === '' ? 'nobody' : nameOfId(picture, seen)}`,
    );
    return finding({
      code: 'SplitView',
      about: viewer,
      evidence: `${viewer.name} sees ${words.join(', ')}; the owners and the other nodes say otherwise.`,
      next: 'Wait for gossip (seconds); where it stays, run `redisforge repair`, or see why its bus link fails.',
    });
  });
}

function splitRoles(picture: Picture): Finding[] {
  return picture.members.flatMap((viewer) => {
    const differing = picture.members.filter((node) => {
      const seen = viewer.view.find((entry) => entry.id === node.id);
      return seen !== undefined && seen.masterId !== (selfOf(node)?.masterId ?? null);
    });
    if (differing.length === 0) return [];
    return finding({
      code: 'SplitView',
      about: viewer,
      evidence: `${viewer.name} sees other roles than the nodes themselves: ${names(differing)}.`,
      next: 'Wait for gossip (seconds); where it stays, see whether the bus port is open between these nodes.',
    });
  });
}

function epochCollisions(picture: Picture): Finding[] {
  const byEpoch = new Map<number, AnsweringNode[]>();
  for (const node of picture.members.filter(ownsSlots)) {
    const epoch = selfOf(node)?.configEpoch ?? 0;
    byEpoch.set(epoch, [...(byEpoch.get(epoch) ?? []), node]);
  }
  return [...byEpoch].flatMap(([epoch, nodes]) => {
    if (nodes.length < 2) return [];
    return finding({
      code: 'EpochCollision',
      evidence: `${names(nodes)} have the same config epoch ${epoch}: of two claims to a slot none would win.`,
      next: 'Wait some seconds: masters that see each other resolve it. Else CLUSTER BUMPEPOCH on one of them.',
    });
  });
}

function statesDown(picture: Picture): Finding[] {
  return picture.members
    .filter((node) => node.clusterState === 'fail')
    .map((node) =>
      finding({
        code: 'ClusterDown',
        about: node,
        evidence: `${node.name} says cluster_state:fail and refuses its clients.`,
        next: 'It serves again when slots are covered and most masters are reachable from it: see the other findings.',
      }),
    );
}

function lostQuorum(picture: Picture, owners: Owners): Finding[] {
  const masters = new Set(owners.flatMap((view) => [...new Set(view)]).filter((id) => id !== undefined));
  const alive = picture.members.filter((node) => masters.has(node.id) && ownsSlots(node));
  if (masters.size === 0 || alive.length > masters.size / 2) return [];
  return [
    finding({
      code: 'QuorumLost',
      evidence: `Only ${alive.length} of ${masters.size} masters answer: no failover can be voted.`,
      next: 'Bring masters back; where they are lost for good, CLUSTER FAILOVER TAKEOVER on their replicas loses the last writes.',
    }),
  ];
}

function slotsText(ranges: readonly SlotRange[]): string {
  const shown = ranges.length > SHOWN ? `${formatRanges(ranges.slice(0, SHOWN))} …` : formatRanges(ranges);
  const count = slotsIn(ranges);
  return `${count} ${count === 1 ? 'slot' : 'slots'} (${shown})`;
}
