import type { Member, Members } from './cluster-members.js';
import { type DeclaredNode, stayingNodes } from './nodes.js';
import { addMasters } from './placement-masters.js';
import type { PlannedReplica } from './plan.js';
import { slotsIn } from './slots.js';
import type { ClusterSpec } from './spec.js';

/** Who is a master in the end, and how that comes about. */
export type TargetMaster =
  /** It is one. */
  | { readonly kind: 'stays'; readonly node: DeclaredNode }
  /** It takes the shard of a master that leaves: no slot moves for it. */
  | { readonly kind: 'takesOver'; readonly node: DeclaredNode; readonly was: string }
  /** It gets slots from others. */
  | { readonly kind: 'new'; readonly node: DeclaredNode };

export interface MasterTargets {
  readonly masters: readonly TargetMaster[];
  /** Masters that give all their slots to others: they leave, or there are too many. */
  readonly drained: readonly Member[];
  /** Replicas that are made anew as masters: they are forgotten, reset and joined. */
  readonly rejoining: readonly Member[];
  /** Why there are fewer than wanted; `null` where there are enough. */
  readonly problem: string | null;
}

interface Question {
  readonly spec: ClusterSpec;
  readonly cluster: Members;
  /** Nodes whose master is said: they are to be replicas. */
  readonly attach: readonly PlannedReplica[];
}

/**
 * Who is to be a master. Masters that stay are masters still, as long as there are not too many. The shard of one that leaves is taken over by a replica of its,
 * or by a new node that has become one, where the number of masters allows it to live on: that moves no slot. Only what is missing then are new masters, on
 * nodes without a role; a replica is made a master only where its shard has more of them than it needs.
 */
export function chooseMasters(question: Question): MasterTargets {
  const { spec, cluster } = question;
  const owners = cluster.members.filter(({ slots }) => slots.length > 0);
  const staying = owners.filter(({ leaving }) => leaving === null);
  const wanted = spec.shape.masters;
  if (staying.length > wanted) return fewer(spec, owners, staying);
  const kept = inheritance(question, owners).slice(0, wanted - staying.length);
  const drained = owners.filter((owner) => owner.leaving !== null && !kept.some(({ was }) => was === owner));
  const fixed: TargetMaster[] = staying.map(({ node }) => ({ kind: 'stays', node }));
  const inherited: TargetMaster[] = [];
  for (const { was, heirs } of kept) {
    const heir = leastCrowded(heirs, [...fixed, ...inherited]);
    if (heir !== undefined) inherited.push({ kind: 'takesOver', node: heir.node, was: was.node.name });
  }
  const orphaned = kept.filter(
    ({ was }) => !inherited.some((one) => one.kind === 'takesOver' && one.was === was.node.name),
  );
  const { added, rejoining } = addedTo({ ...question, present: [...fixed, ...inherited] });
  const fresh = added.map((node, i): TargetMaster => {
    const was = orphaned[i]?.was.node.name;
    return was === undefined ? { kind: 'new', node } : { kind: 'takesOver', node, was };
  });
  const masters = inOrder(spec, [...fixed, ...inherited, ...fresh]);
  const lacking = wanted - masters.length;
  return {
    ...{ masters, drained, rejoining },
    problem:
      lacking === 0
        ? null
        : `${wanted} masters are wanted, and ${lacking} of them would have to be made of replicas whose shards need them`,
  };
}

/** Too many masters: those stay that are spread best, and among these those that own most. */
function fewer(spec: ClusterSpec, owners: readonly Member[], staying: readonly Member[]): MasterTargets {
  const most = [...staying].sort((a, b) => slotsIn(b.slots) - slotsIn(a.slots)).map(({ node }) => node);
  const chosen = addMasters({ nodes: stayingNodes(spec), shape: spec.shape, fixed: [], candidates: most });
  // Where the replicas would not fit, that is said where they are placed.
  const kept = [...chosen, ...most.filter((node) => !chosen.includes(node))].slice(0, spec.shape.masters);
  return {
    masters: inOrder(
      spec,
      kept.map((node) => ({ kind: 'stays', node })),
    ),
    drained: owners.filter(({ node }) => !kept.includes(node)),
    rejoining: [],
    problem: null,
  };
}

interface Inheritance {
  readonly was: Member;
  /** Its replicas that stay and hold its data. */
  readonly heirs: readonly Member[];
}

/** The masters that leave, those first whose shard can live on by itself, then those with most slots. */
function inheritance({ cluster, attach }: Question, owners: readonly Member[]): Inheritance[] {
  return owners
    .filter(({ leaving }) => leaving !== null)
    .map((was) => ({
      was,
      heirs: cluster.members.filter(
        ({ node, leaving, inSync, master }) =>
          leaving === null && inSync && master === was.node.name && !attach.some((one) => one.node === node.name),
      ),
    }))
    .sort(
      (a, b) => Number(b.heirs.length > 0) - Number(a.heirs.length > 0) || slotsIn(b.was.slots) - slotsIn(a.was.slots),
    );
}

function leastCrowded(heirs: readonly Member[], masters: readonly TargetMaster[]): Member | undefined {
  const crowd = (heir: Member, level: 'zone' | 'host') =>
    masters.filter(({ node }) => node[level] === heir.node[level]).length;
  return [...heirs].sort((a, b) => crowd(a, 'zone') - crowd(b, 'zone') || crowd(a, 'host') - crowd(b, 'host'))[0];
}

function addedTo({ spec, cluster, attach, present }: Question & { present: readonly TargetMaster[] }): {
  added: readonly DeclaredNode[];
  rejoining: readonly Member[];
} {
  const nodes = stayingNodes(spec);
  const fixed = present.map(({ node }) => node);
  const taken = new Set([...attach.map(({ node }) => node), ...fixed.map(({ name }) => name)]);
  const free = nodes.filter(({ name }) => !taken.has(name));
  const role = (node: DeclaredNode) => cluster.members.find((member) => member.node.name === node.name);
  const idle = free.filter((node) => {
    const member = role(node);
    return member === undefined || (!member.isReplica && member.answer !== null);
  });
  const added = addMasters({ nodes, shape: spec.shape, fixed, candidates: idle });
  if (fixed.length + added.length >= spec.shape.masters) return { added, rejoining: [] };
  const spare = spareReplicas({ spec, cluster }, free);
  const more = addMasters({
    ...{ nodes, shape: spec.shape },
    fixed: [...fixed, ...added],
    candidates: spare.map(({ node }) => node),
  });
  return { added: [...added, ...more], rejoining: spare.filter(({ node }) => more.includes(node)) };
}

/** Replicas beyond those that each shard needs now; of a shard with one too many, one. */
function spareReplicas({ spec, cluster }: Pick<Question, 'spec' | 'cluster'>, free: readonly DeclaredNode[]): Member[] {
  const masters = new Set(cluster.members.map(({ master }) => master));
  return [...masters].flatMap((master) => {
    const replicas = cluster.members.filter((member) => member.master === master && member.isReplica && member.inSync);
    const candidates = replicas.filter(
      ({ node, leaving }) => leaving === null && free.some(({ name }) => name === node.name),
    );
    return master === null ? [] : candidates.slice(0, Math.max(0, replicas.length - spec.shape.replicasPerMaster));
  });
}

function inOrder(spec: ClusterSpec, masters: readonly TargetMaster[]): TargetMaster[] {
  const order = stayingNodes(spec).map(({ name }) => name);
  return [...masters].sort((a, b) => order.indexOf(a.node.name) - order.indexOf(b.node.name));
}
