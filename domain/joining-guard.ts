import type { FormingNode } from './formation.js';
import type { JoinWanted } from './joining.js';
import { answeringOf, isMaster, type LookedNode, ownedSlots } from './members.js';
import { selfOf, type ViewEntry } from './observation.js';
import { endpoint, inHandshake, knows } from './picture.js';
import type { Refusal } from './plan.js';
import { formatRanges } from './slots.js';

export interface JoinSituation {
  readonly wanted: JoinWanted;
  /** The nodes that are to join. */
  readonly newcomers: readonly LookedNode[];
  readonly nodes: readonly LookedNode[];
  /** Of the cluster, without those that are to join. */
  readonly members: readonly FormingNode[];
  readonly hub: FormingNode;
}

/** How many strangers are written out. */
const SHOWN = 5;

/**
 * Why these nodes may not become members: two clusters would become one, somebody's data would be lost, or a node would be there twice. A node that
 * knows nobody but members of this cluster was half joined before, and goes on.
 */
export function joinRefusals(situation: JoinSituation): Refusal[] {
  return situation.newcomers.flatMap((node) => {
    if (!node.answered) return unfit(node);
    const clones = cloneRefusals(node, situation);
    if (clones.length > 0) return clones;
    return isMember(node, situation) ? wrongRole(node, situation) : outsideRefusals(node, situation);
  });
}

function isMember(node: FormingNode, { hub }: JoinSituation): boolean {
  return knows(hub, node) && knows(node, hub);
}

function unfit(node: Exclude<LookedNode, FormingNode>): Refusal[] {
  if (node.silence !== 'not-cluster-mode') return [];
  const next = 'Start it with cluster-enabled yes: its redis.conf is not the one that RedisForge writes.';
  return [{ node: node.name, what: `${node.name} does not run in cluster mode.`, next }];
}

function outsideRefusals(node: FormingNode, situation: JoinSituation): Refusal[] {
  const foreign = foreignEntries(node, situation);
  if (foreign.length > 0) return [ofStrangers(node, foreign)];
  const slots = selfOf(node)?.slots ?? [];
  if (ownedSlots(node) > 0) {
    return [
      refusal(node, `owns slots of its own (${formatRanges(slots)}), and is no member of this cluster`, {
        next: 'Find out what it was; where nobody needs it, FLUSHALL and CLUSTER RESET HARD it.',
      }),
    ];
  }
  // A replica's keys are its master's, and its master is one of ours.
  if (node.keys === 0 || !isMaster(node)) return [];
  return [
    refusal(node, `holds ${node.keys} keys, and is no member of this cluster`, {
      next: 'Find out whose they are; where nobody needs them, FLUSHALL and CLUSTER RESET HARD it.',
    }),
  ];
}

/**
 * Whom it knows and the cluster does not. Dead ones count, too: gossip would bring them in, and who comes alive there later. A newcomer that does
 * not answer cannot say its ID; it is waited for.
 */
function foreignEntries(node: FormingNode, { members, newcomers }: JoinSituation): ViewEntry[] {
  const silent = new Set(newcomers.filter(({ answered }) => !answered).map(endpoint));
  const ours = new Set([
    ...members.flatMap(({ view }) => view.filter((entry) => !inHandshake(entry)).map(({ id }) => id)),
    ...answeringOf(newcomers).map(({ id }) => id),
  ]);
  return node.view.filter(
    (entry) => entry.id !== node.id && !inHandshake(entry) && !ours.has(entry.id) && !silent.has(endpoint(entry)),
  );
}

function ofStrangers(node: FormingNode, foreign: readonly ViewEntry[]): Refusal {
  const shown = foreign.slice(0, SHOWN).map((entry) => `${endpoint(entry)} (${entry.id})`);
  const more = foreign.length > SHOWN ? ` and ${foreign.length - SHOWN} more` : '';
  return refusal(node, `knows ${shown.join(', ')}${more}, which this cluster does not: it belongs to another one`, {
    next: 'Take it out of that cluster first: CLUSTER FORGET there, and CLUSTER RESET HARD here when nothing of it is needed.',
  });
}

/** A node whose nodes.conf was copied has the ID of another; the cluster would take both for one and the same. */
function cloneRefusals(node: FormingNode, { nodes, members }: JoinSituation): Refusal[] {
  const twin = answeringOf(nodes).find((other) => other.id === node.id && other.name !== node.name);
  const elsewhere = members
    .flatMap(({ view }) => view)
    .find((entry) => entry.id === node.id && entry.address !== '' && endpoint(entry) !== endpoint(node));
  const known = twin?.name ?? (elsewhere === undefined ? undefined : endpoint(elsewhere));
  if (known === undefined) return [];
  return [
    refusal(node, `has the ID of another node: the cluster knows it at ${known}`, {
      next: 'Its nodes.conf is a copy, as images of machines have it: CLUSTER RESET HARD it, or start it without that file.',
    }),
  ];
}

/** A member with another role than the wanted one was made so by somebody else. */
function wrongRole(node: FormingNode, { wanted }: JoinSituation): Refusal[] {
  if (!wanted.masters.includes(node.name) || isMaster(node)) return [];
  return [
    refusal(node, 'is a member already, as a replica, and was to be a master', {
      next: 'Somebody has attached it since the plan was made: run the same command again and read the new plan.',
    }),
  ];
}

function refusal(node: FormingNode, what: string, { next }: Pick<Refusal, 'next'>): Refusal {
  return { node: node.name, what: `${node.name} (ID ${node.id}) ${what}.`, next };
}
