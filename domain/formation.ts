import { formationRefusals } from './formation-refusals.js';
import { headOf, planReplicas, shardsOf, type Shard, standInOf, takeOvers } from './formation-roles.js';
import { isHeld } from './formation-tuning.js';
import { missingUntilDone } from './formation-waiting.js';
import type { AnsweringNode, SilentNode, ViewEntry } from './observation.js';
import { ownClaims } from './ownership.js';
import { endpoint, inHandshake, knownGroups, knows } from './picture.js';
import type { PlannedMaster, PlannedReplica, Refusal } from './plan.js';
import { compactRanges, SLOT_COUNT, type SlotRange } from './slots.js';

/** What forming needs to know of a node; an observation's nodes have it. */
export type FormingNode = Pick<
  AnsweringNode,
  | 'name'
  | 'zone'
  | 'address'
  | 'port'
  | 'declared'
  | 'answered'
  | 'id'
  | 'view'
  | 'keys'
  | 'clusterState'
  | 'replication'
  | 'settings'
>;

export interface FormationWanted {
  readonly masters: readonly PlannedMaster[];
  readonly replicas: readonly PlannedReplica[];
}

export interface FormationInput {
  readonly wanted: FormationWanted;
  readonly observation: {
    readonly nodes: readonly (
      | FormingNode
      | Pick<SilentNode, 'name' | 'address' | 'port' | 'declared' | 'answered' | 'silence'>
    )[];
  };
}

/** One command to one node. All may be given at once, kind by kind in this order; a late duplicate is refused by the node or changes nothing. */
export type FormationAction =
  | { readonly kind: 'setConfigEpoch'; readonly node: string; readonly epoch: number }
  | {
      /** From now on it takes no write: it has its slots for another one, which takes over from it. */
      readonly kind: 'holdWrites';
      readonly node: string;
      readonly for: string;
    }
  | { readonly kind: 'addSlots'; readonly node: string; readonly ranges: readonly SlotRange[] }
  | {
      readonly kind: 'meet';
      readonly node: string;
      readonly target: string;
      readonly address: string;
      readonly port: number;
    }
  | { readonly kind: 'replicate'; readonly node: string; readonly master: string; readonly masterId: string }
  | { readonly kind: 'takeOver'; readonly node: string; readonly from: string };

export interface FormationPlan {
  readonly actions: readonly FormationAction[];
  /** Why nothing may be done; `actions` is empty then. */
  readonly refusals: readonly Refusal[];
  /** All slots are owned by declared nodes, all are members, and masters and replicas are as many as wanted: nothing is to be done. */
  readonly settled: boolean;
  /** What has not come true yet; a formation is done when it is settled and this is empty. */
  readonly waitingFor: readonly string[];
}

/**
 * The next commands that take the nodes from whatever an earlier, killed attempt left to the wanted cluster. Reality wins over the plan: a node that
 * owns slots stays a master. Pure; asked again after each round of commands.
 */
export function planFormation({ wanted, observation }: FormationInput): FormationPlan {
  const declared = observation.nodes.filter((node) => node.declared);
  const nodes = declared.filter((node): node is FormingNode => node.answered);
  const silent = declared.flatMap((node) => (node.answered ? [] : [`${node.name} does not answer`]));
  const shards = shardsOf(wanted, nodes);
  const actions = silent.length > 0 ? [] : nextActions({ wanted, nodes, shards });
  const complete = silent.length === 0 && actions.length === 0 && isComplete({ wanted, nodes, shards });
  const refusals = complete ? [] : formationRefusals({ wanted, declared, nodes });
  if (refusals.length > 0) return { actions: [], refusals, settled: false, waitingFor: [] };
  return { actions, refusals, settled: complete, waitingFor: [...silent, ...missingUntilDone(nodes)] };
}

interface Situation {
  readonly wanted: FormationWanted;
  readonly nodes: readonly FormingNode[];
  readonly shards: readonly Shard[];
}

function nextActions({ wanted, nodes, shards }: Situation): FormationAction[] {
  return [
    ...epochActions(nodes, shards),
    ...slotActions({ wanted, nodes, shards }),
    ...meetActions(nodes),
    ...pairActions(nodes, shards),
    ...planReplicas(nodes, shards).actions,
    ...takeOvers(shards).actions,
  ];
}

/** By the nodes' own words, without regard to how far the others have heard of it. */
function isComplete({ wanted, nodes, shards }: Situation): boolean {
  const owners = new Set(ownClaims(nodes).map((claims) => (claims.length === 1 ? claims[0] : undefined)));
  const connected = nodes.every((node) => nodes.every((other) => knows(node, other)));
  return (
    connected &&
    !owners.has(undefined) &&
    owners.size === wanted.masters.length &&
    planReplicas(nodes, shards).complete &&
    takeOvers(shards).complete
  );
}

/** A config epoch of its own for each master, while it can be set: before a node has met another. */
function epochActions(nodes: readonly FormingNode[], shards: readonly Shard[]): FormationAction[] {
  const highest = Math.max(0, ...nodes.flatMap((node) => node.view.map(({ configEpoch }) => configEpoch)));
  return shards.flatMap((shard, i) => {
    const head = headOf(shard);
    if (head === undefined || head.view.length !== 1 || head.view[0]?.configEpoch !== 0) return [];
    return [{ kind: 'setConfigEpoch' as const, node: head.name, epoch: highest + i + 1 }];
  });
}

function slotActions({ wanted, nodes, shards }: Situation): FormationAction[] {
  const taken = new Uint8Array(SLOT_COUNT);
  for (const [from, to] of nodes.flatMap((node) => node.view.flatMap(({ slots }) => slots)))
    taken.fill(1, from, to + 1);
  return wanted.masters.flatMap((master, i): FormationAction[] => {
    const head = headOf(shards[i]);
    const ranges = freeWithin(master.slots, taken);
    if (head === undefined || ranges.length === 0) return [];
    // Not in one go: it gets its slots when it is seen that it takes no writes.
    if (head === standInOf(shards[i]) && !isHeld(head)) {
      return [{ kind: 'holdWrites', node: head.name, for: master.node }];
    }
    return [{ kind: 'addSlots', node: head.name, ranges }];
  });
}

function freeWithin(ranges: readonly SlotRange[], taken: Uint8Array): SlotRange[] {
  const free: SlotRange[] = [];
  for (const [from, to] of ranges) {
    for (let slot = from; slot <= to; slot += 1) if (taken[slot] === 0) free.push([slot, slot]);
  }
  return compactRanges(free);
}

/**
 * One hub introduces all others to itself, gossip does the rest: meeting in full mesh makes handshakes cross and takes seconds. The hub is a node of
 * the largest group that has met already.
 */
function meetActions(nodes: readonly FormingNode[]): FormationAction[] {
  const [hub] = knownGroups(nodes).reduce<FormingNode[]>(
    (best, group) => (group.length > best.length ? group : best),
    [],
  );
  if (hub === undefined) return [];
  return nodes
    .filter((node) => node !== hub)
    .flatMap((node) => {
      if (!knows(hub, node)) return meet(hub, node);
      // The hub was forgotten there, and words of unknown nodes are not listened to.
      return knows(node, hub) ? [] : meet(node, hub);
    });
}

/**
 * A planned master is to replicate its stand-in at once, and would hear of it from the hub half a second later. Only where neither has met anybody: a meeting
 * that crosses another one takes longer than none.
 */
function pairActions(nodes: readonly FormingNode[], shards: readonly Shard[]): FormationAction[] {
  const [hub] = nodes;
  const blank = shards.flatMap((shard) => {
    const [[planned], standIn] = [shard, standInOf(shard)];
    return planned === undefined || standIn === undefined ? [] : [{ planned, standIn }];
  });
  const pairs = blank.flatMap(({ planned, standIn }, i) => [
    [planned, standIn] as const,
    ...blank.slice(i + 1).map((other) => [planned, other.planned] as const),
  ]);
  return pairs
    .filter((pair) => pair.every((node) => node !== hub && node.view.length === 1))
    .flatMap(([node, target]) => meet(node, target));
}

function meet(node: FormingNode, target: FormingNode): FormationAction[] {
  const begun = (viewer: FormingNode, other: FormingNode) =>
    viewer.view.some((entry: ViewEntry) => inHandshake(entry) && endpoint(entry) === endpoint(other));
  if (begun(node, target) || begun(target, node)) return [];
  const { address, port } = target;
  return [{ kind: 'meet', node: node.name, target: target.name, address, port }];
}
