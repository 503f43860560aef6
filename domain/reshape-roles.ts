import type { Members } from './cluster-members.js';
import { type DeclaredNode, stayingNodes } from './nodes.js';
import type { PlannedReplica, Refusal } from './plan.js';
import { type Attachment, type AttachOrder, orderAttachments } from './reshape-attach.js';
import { chooseMasters, type MasterTargets, type TargetMaster } from './reshape-masters.js';
import type { Shard } from './reshape-moves.js';
import { assignReplicas, mayFollow } from './reshape-replicas.js';
import type { ClusterSpec } from './spec.js';

/** Who is what in the end, and who has to change for it. Masters of shards that are taken over are called by who they are now until they are. */
export interface Roles {
  readonly targets: MasterTargets;
  /** In the end. */
  readonly replicas: readonly PlannedReplica[];
  readonly shards: readonly Shard[];
  /** Nodes that are no members, or are none for a moment. */
  readonly joining: { readonly masters: readonly string[]; readonly replicas: readonly PlannedReplica[] };
  readonly attachments: AttachOrder;
  /** Why what is wanted cannot be. */
  readonly refusals: readonly Refusal[];
  /** Replicas for which the rules leave no master, as masters are now. */
  readonly unplaced: readonly Refusal[];
}

export interface RolesQuestion {
  readonly spec: ClusterSpec;
  readonly cluster: Members;
  readonly attach: readonly PlannedReplica[];
}

/** Decides the roles of all nodes, so that as little as possible changes. */
export function decideRoles(question: RolesQuestion): Roles {
  const { spec, cluster, attach } = question;
  const targets = chooseMasters(question);
  const { wishes, refusals } = wishesOf(question, targets);
  const replicas = assign({ spec, cluster, targets, wishes });
  const member = (name: string) => cluster.members.find(({ node }) => node.name === name);
  const fresh = new Set([...cluster.newcomers, ...targets.rejoining.map(({ node }) => node)].map(({ name }) => name));
  const presentOf = new Map(targets.masters.map((target) => [target.node.name, present(target)]));
  const inPresentTerms = ({ node, of }: PlannedReplica) => ({ node, of: presentOf.get(of) ?? of });
  const heirs = targets.masters.flatMap((one) =>
    one.kind === 'takesOver' ? [{ node: one.node.name, of: one.was }] : [],
  );
  const followers = [...heirs, ...replicas.map(inPresentTerms)];
  const joining = {
    masters: targets.masters.flatMap(({ kind, node }) => (kind === 'new' && fresh.has(node.name) ? [node.name] : [])),
    replicas: followers.filter(({ node }) => fresh.has(node)),
  };
  const attachments = followers.flatMap(({ node, of }): Attachment[] => {
    const now = member(node);
    if (now === undefined || now.answer === null || fresh.has(node) || now.master === of) return [];
    const drained = now.slots.length > 0;
    return [{ node, of, from: now.master, inSync: now.inSync, drained }];
  });
  return {
    ...{ targets, replicas, joining },
    shards: shardsOf(cluster, targets, replicas),
    attachments: order({ spec, cluster, targets }, { attachments, joined: joining.replicas }),
    refusals: [
      ...refusals,
      ...(targets.problem === null ? [] : [shapeRefusal(targets.problem)]),
      ...attach.flatMap((one) => unknownReplica(spec, one)),
    ],
    unplaced: targets.problem === null ? unplaced({ spec, targets, replicas }) : [],
  };
}

/** The master that a shard has at the moment. */
function present(target: TargetMaster): string {
  return target.kind === 'takesOver' ? target.was : target.node.name;
}

/** Whom nodes are asked to follow, as the masters in the end. */
function wishesOf(
  { cluster, attach }: RolesQuestion,
  { masters }: MasterTargets,
): { wishes: ReadonlyMap<string, string>; refusals: Refusal[] } {
  const wishes = new Map<string, string>();
  const refusals: Refusal[] = [];
  for (const { node, of } of attach) {
    const shard = cluster.members.find((one) => one.node.name === of)?.master ?? of;
    const target = masters.find((one) => one.node.name === of || present(one) === shard);
    if (target !== undefined) wishes.set(node, target.node.name);
    else {
      refusals.push({
        node,
        what: `${node} is to follow ${of}, which is in no shard that stays.`,
        next: 'Name a node of a shard that stays.',
      });
    }
  }
  return { wishes, refusals };
}

function assign({
  spec,
  cluster,
  targets,
  wishes,
}: Pick<RolesQuestion, 'spec' | 'cluster'> & { targets: MasterTargets; wishes: ReadonlyMap<string, string> }) {
  const masters = targets.masters.map(({ node }) => node);
  const shardOf = new Map(targets.masters.map((target) => [present(target), target.node.name]));
  const replicas = stayingNodes(spec)
    .filter((node) => !masters.some(({ name }) => name === node.name))
    .map((node) => {
      const master = cluster.members.find((member) => member.node.name === node.name)?.master ?? null;
      const now = master === null ? null : (shardOf.get(master) ?? null);
      return { node, now, asked: wishes.get(node.name) ?? null };
    });
  return assignReplicas({ masters, replicas, shape: spec.shape });
}

function shardsOf(cluster: Members, { masters, drained }: MasterTargets, replicas: readonly PlannedReplica[]): Shard[] {
  const slotsOf = (name: string) => cluster.members.find(({ node }) => node.name === name)?.slots ?? [];
  const followers = (name: string) =>
    cluster.members.filter((member) => member.master === name).map(({ node }) => node.name);
  return [
    ...masters.map((target): Shard => {
      const [master, owner] = [target.node.name, present(target)];
      const nodes = [...followers(owner), ...replicas.filter(({ of }) => of === master).map(({ node }) => node)];
      return { ...{ master, owner, nodes }, slots: slotsOf(owner), drained: false };
    }),
    ...drained.map(
      ({ node, slots }): Shard => ({
        ...{ master: node.name, owner: node.name, slots },
        ...{ nodes: followers(node.name), drained: true },
      }),
    ),
  ];
}

function order(
  { spec, cluster, targets }: { spec: ClusterSpec; cluster: Members; targets: MasterTargets },
  { attachments, joined }: { attachments: readonly Attachment[]; joined: readonly PlannedReplica[] },
): AttachOrder {
  const had = new Map<string, number>();
  for (const { master, inSync } of cluster.members) {
    if (master !== null && inSync) had.set(master, (had.get(master) ?? 0) + 1);
  }
  const replicas = new Map(had);
  for (const { master } of targets.rejoining) {
    if (master !== null) replicas.set(master, (replicas.get(master) ?? 0) - 1);
  }
  for (const { of } of joined) replicas.set(of, (replicas.get(of) ?? 0) + 1);
  return orderAttachments({
    ...{ attachments, replicas },
    least: (master) => Math.min(spec.shape.replicasPerMaster, had.get(master) ?? 0),
    drained: new Set(targets.drained.map(({ node }) => node.name)),
  });
}

function shapeRefusal(problem: string): Refusal {
  return {
    what: `The shape cannot be reached: ${problem}.`,
    next: 'Declare more nodes, or a shape that these nodes can take (redisforge validate shows it).',
  };
}

function unplaced({
  spec,
  targets,
  replicas,
}: {
  spec: ClusterSpec;
  targets: MasterTargets;
  replicas: readonly PlannedReplica[];
}): Refusal[] {
  const masters = targets.masters.map(({ node }) => node);
  const placed = new Set([...replicas.map(({ node }) => node), ...masters.map(({ name }) => name)]);
  return stayingNodes(spec)
    .filter(({ name }) => !placed.has(name))
    .map((node) => ({ node: node.name, what: noPlace(spec, node, masters), next: NO_PLACE_NEXT }));
}

const NO_PLACE_NEXT =
  'Declare its host in another zone, fail a master over so that masters are spread otherwise, or accept it with `shape.sharedZones`.';

function noPlace(spec: ClusterSpec, node: DeclaredNode, masters: readonly DeclaredNode[]): string {
  const allowed = masters.filter((master) => mayFollow(node, master, spec.shape)).map(({ name }) => name);
  const full = allowed.length === 0 ? '' : `, and ${allowed.join(', ')} have as many as they are to have`;
  return `${node.name} (zone ${node.zone}) finds no master to follow that is in another zone and on another host${full}.`;
}

function unknownReplica(spec: ClusterSpec, { node }: PlannedReplica): Refusal[] {
  if (stayingNodes(spec).some(({ name }) => name === node)) return [];
  return [
    { node, what: `${node} is to be a replica, and the spec does not declare it.`, next: 'Declare it in the spec.' },
  ];
}
