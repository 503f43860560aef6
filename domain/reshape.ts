import type { ApplyWorld } from './apply-world.js';
import { ghostsAt, type Members } from './cluster-members.js';
import { stayingNodes } from './nodes.js';
import type { PlanBody, Refusal, Step } from './plan.js';
import { movesAdvice, type Pinning, pinned, repairSteps } from './reshape-common.js';
import { type Leaving, planLeaving, unique } from './reshape-leaving.js';
import { askedMoves, sharingMoves, uncoveredRefusal, whyMoves } from './reshape-moves.js';
import { shapeRefusals } from './reshape-refusals.js';
import { decideRoles, type Roles } from './reshape-roles.js';
import type { Attachment } from './reshape-attach.js';
import type { NamedNode } from './reshape-steps.js';

export type Reshape = Pick<PlanBody, 'steps' | 'refusals' | 'notes'>;

/**
 * The steps from a formed cluster to the members, roles and shares that the spec declares: new nodes join, with their replicas; replicas take over from masters
 * that leave; slots move; what is left without a role follows somebody; then who leaves is forgotten and taken away. At each of them every master that owns
 * slots has its replicas. No steps where all is as it should be.
 */
export function planReshape(world: ApplyWorld, cluster: Members): Reshape {
  const { spec, goal } = world;
  const attach = goal?.kind === 'spec' ? (goal.attach ?? []) : [];
  const roles = decideRoles({ spec, cluster, attach });
  const moves = movesOf(world, { cluster, roles });
  const leaving = planLeaving(world, cluster);
  const { changing, removing } = stepsOf(cluster, { roles, moves: moves.steps, leaving });
  const changes = changing.length > 0;
  const pinning: Pinning = { spec, before: cluster.members, after: stayingNodes(spec) };
  const steps = changes ? pinned([...changing, ...removing], pinning) : removing;
  const inTheWay = () => [
    ...uncoveredRefusal(cluster),
    ...roles.unplaced,
    ...moves.refusals,
    ...coverRefusals(roles),
    ...shapeRefusals(world, {
      ...{ cluster, moves: moves.steps.flatMap((step) => step.moves) },
      joined: [...roles.joining.replicas, ...roles.attachments.before],
    }),
  ];
  return {
    steps: [...repairSteps(world), ...steps],
    refusals: [...roles.refusals, ...(changes ? inTheWay() : [])],
    notes: [...leaving.notes, ...movesAdvice(world, { cluster, roles, moves: moves.steps })],
  };
}

/** In their order: `changing` is what members, roles and slots change by, `removing` is what is left of nodes that are out. */
function stepsOf(
  cluster: Members,
  { roles, moves, leaving }: { roles: Roles; moves: readonly Step[]; leaving: Leaving },
): { changing: Step[]; removing: Step[] } {
  const ghosts = unique(cluster.newcomers.flatMap((node) => ghostsAt(cluster, node)));
  const rejoining = roles.targets.rejoining.map(({ node, id }) => ({ name: node.name, nodeId: id }));
  const idle = leaving.forgotten.filter(({ name }) => followsOneToBeReplica(cluster, roles, name));
  const rest = leaving.forgotten.filter((node) => !idle.includes(node));
  const forgotten = unique([...ghosts, ...rejoining, ...leaving.forgotten, ...leaving.forgottenBefore]);
  return {
    changing: [
      ...forgetStep(ghosts, { id: 'forgetNodes/ghosts', why: 'others have their addresses now' }),
      ...forgetStep(rejoining, { id: 'forgetNodes/rejoining', why: 'they join anew, as masters' }),
      ...joinStep(roles),
      ...attachSteps(roles, roles.attachments.before, 'before'),
      ...takeOverSteps(roles),
      ...moves,
      ...forgetStep(idle, { id: 'forgetNodes/idle', why: 'they leave, and their master has no slots' }),
      ...attachSteps(roles, roles.attachments.after, 'after'),
      ...forgetStep(rest, { id: 'forgetNodes', why: 'the spec lets them leave' }),
    ],
    removing: [
      ...leaving.stops,
      ...(forgotten.length === 0 ? [] : [{ kind: 'awaitForgotten' as const, id: 'awaitForgotten', nodes: forgotten }]),
      ...leaving.removals,
    ],
  };
}

/** A replica that leaves a master which is to become a replica itself: that one has to be without followers by then. */
function followsOneToBeReplica(cluster: Members, { targets }: Roles, name: string): boolean {
  const master = cluster.members.find(({ node }) => node.name === name)?.master;
  return targets.drained.some(({ node, leaving }) => node.name === master && leaving === null);
}

function joinStep({ joining: { masters, replicas } }: Roles): Step[] {
  return masters.length + replicas.length === 0 ? [] : [{ kind: 'joinNodes', id: 'joinNodes', masters, replicas }];
}

type ForgetStep = Extract<Step, { kind: 'forgetNodes' }>;

function forgetStep(nodes: readonly NamedNode[], rest: Omit<ForgetStep, 'kind' | 'nodes'>): ForgetStep[] {
  return nodes.length === 0 ? [] : [{ kind: 'forgetNodes', nodes, ...rest }];
}

type MoveStep = Extract<Step, { kind: 'moveSlots' }>;

interface PlannedMoves {
  readonly steps: readonly MoveStep[];
  readonly refusals: readonly Refusal[];
}

function movesOf(world: ApplyWorld, { cluster, roles }: { cluster: Members; roles: Roles }): PlannedMoves {
  const { spec, goal, slotFacts: facts } = world;
  const { shards } = roles;
  const asked = goal !== undefined && goal.kind !== 'repair' ? goal.moves : undefined;
  const { moves, refusals } =
    asked === undefined
      ? { moves: sharingMoves({ shards, balance: spec.balance, facts }), refusals: [] }
      : askedMoves({ asked, shards, uncovered: cluster.uncovered });
  const why = whyMoves(moves, { shards, asked: false });
  return { steps: moves.length === 0 ? [] : [{ kind: 'moveSlots', id: 'moveSlots', moves, why }], refusals };
}

function attachSteps(roles: Roles, attachments: readonly Attachment[], when: 'before' | 'after'): Step[] {
  return attachments.map(({ node, of, from }) => {
    const target = roles.shards.find(({ owner, drained }) => owner === of && !drained);
    const master = when === 'before' ? of : (target?.master ?? of);
    const drained = roles.targets.drained.some((one) => one.node.name === node);
    const why = drained ? 'it has given its slots away' : from === null ? 'it follows nobody' : `it leaves ${from}`;
    return { kind: 'attachReplica', id: `attachReplica/${node}`, node, of: master, why };
  });
}

function takeOverSteps({ targets }: Roles): Step[] {
  return targets.masters.flatMap((target): Step[] =>
    target.kind !== 'takesOver'
      ? []
      : [
          {
            ...({ kind: 'switchMaster', id: `switchMaster/${target.node.name}` } as const),
            ...{ node: target.node.name, was: target.was, why: `${target.was} leaves` },
          },
        ],
  );
}

/** Replicas that cannot go where they should without a time in which a shard has too few. */
function coverRefusals({ attachments }: Roles): Refusal[] {
  return attachments.blocked.map(({ node, from, of }) => ({
    node,
    what: `${node} is to follow ${of} instead of ${from ?? 'nobody'}, and ${from ?? 'its shard'} has no replica to spare until another one is there.`,
    next: 'Declare one more replica for the time of the change (shape.extraReplicas), and take it away after.',
  }));
}
