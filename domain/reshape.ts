import type { ApplyWorld } from './apply-world.js';
import { ghostsAt, type Members } from './cluster-members.js';
import { stayingNodes } from './nodes.js';
import type { PlanBody, Refusal, Step } from './plan.js';
import { movesAdvice, type Pinning, pinned, repairSteps } from './reshape-common.js';
import { planLeaving, unique } from './reshape-leaving.js';
import { askedMoves, sharingMoves, uncoveredRefusal, whyMoves } from './reshape-moves.js';
import { shapeRefusals } from './reshape-refusals.js';
import { decideRoles, type Roles } from './reshape-roles.js';
import type { Attachment } from './reshape-attach.js';

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
  const early = unique([
    ...cluster.newcomers.flatMap((node) => ghostsAt(cluster, node)),
    ...roles.targets.rejoining.map(({ node, id }) => ({ name: node.name, nodeId: id })),
  ]);
  const forgotten = [...early, ...leaving.forgotten, ...leaving.forgottenBefore];
  const { masters, replicas } = roles.joining;
  const first: Step[] = [
    ...(early.length === 0
      ? []
      : [
          {
            ...({ kind: 'forgetNodes', id: 'forgetNodes/before', nodes: early } as const),
            why: 'so that they can join anew',
          },
        ]),
    ...(masters.length + replicas.length === 0
      ? []
      : [{ kind: 'joinNodes' as const, id: 'joinNodes', masters, replicas }]),
    ...attachSteps(roles, roles.attachments.before, 'before'),
    ...takeOverSteps(roles),
    ...moves.steps,
    ...attachSteps(roles, roles.attachments.after, 'after'),
  ];
  const last: Step[] = [
    ...(leaving.forgotten.length === 0
      ? []
      : [
          {
            kind: 'forgetNodes' as const,
            id: 'forgetNodes',
            nodes: leaving.forgotten,
            why: 'the spec lets them leave',
          },
        ]),
    ...leaving.stops,
    ...(forgotten.length === 0
      ? []
      : [{ kind: 'awaitForgotten' as const, id: 'awaitForgotten', nodes: unique(forgotten) }]),
    ...leaving.removals,
  ];
  const pinning: Pinning = { spec, before: cluster.members, after: stayingNodes(spec) };
  const changes = first.length + leaving.forgotten.length > 0;
  const steps = [...repairSteps(world), ...(changes ? pinned([...first, ...last], pinning) : last)];
  return {
    steps,
    refusals: changes
      ? [
          ...uncoveredRefusal(cluster),
          ...roles.refusals,
          ...moves.refusals,
          ...coverRefusals(roles),
          ...shapeRefusals(world, { cluster, moves: moves.steps.flatMap((step) => step.moves) }),
        ]
      : [],
    notes: [...leaving.notes, ...movesAdvice(world, { cluster, roles, moves: moves.steps })],
  };
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
