import type { ApplyWorld } from './apply-world.js';
import type { Members } from './cluster-members.js';
import type { Goal } from './goal.js';
import { stayingNodes } from './nodes.js';
import { pinned, repairSteps, unpinStep } from './reshape-common.js';
import type { Reshape } from './reshape.js';
import { askedMoves, sharingMoves, uncoveredRefusal, whyMoves, type Shard } from './reshape-moves.js';
import { shapeRefusals } from './reshape-refusals.js';
import { planRepair } from './plan-repair.js';

/** What is done where the goal is not the whole spec: hosts, members and settings stay as they are. */
export function planGoal(world: ApplyWorld, goal: Exclude<Goal, { kind: 'spec' }>, cluster: Members | null): Reshape {
  if (cluster === null) {
    const what = `Cluster ${world.spec.name} has no member that answers and that its host knows.`;
    return {
      steps: [],
      refusals: [{ what, next: 'Run apply: it forms the cluster, or starts its nodes.' }],
      notes: [],
    };
  }
  switch (goal.kind) {
    case 'balance':
    case 'slots':
      return planMoves(world, goal, cluster);
    case 'repair':
      return planRepair(world, cluster);
    default:
      return goal satisfies never;
  }
}

function planMoves(world: ApplyWorld, goal: Extract<Goal, { kind: 'balance' | 'slots' }>, cluster: Members): Reshape {
  const shards = shardsNow(world, cluster);
  const { moves, refusals } =
    goal.kind === 'balance' && goal.moves === undefined
      ? { moves: sharingMoves({ shards, balance: goal.balance, facts: world.slotFacts }), refusals: [] }
      : askedMoves({ asked: goal.moves ?? [], shards, uncovered: cluster.uncovered });
  const why = whyMoves(moves, { shards, asked: goal.kind === 'slots' });
  const work = moves.length === 0 ? [] : [{ kind: 'moveSlots' as const, id: 'moveSlots', moves, why }];
  const asked = [...uncoveredRefusal(cluster), ...refusals];
  return {
    steps: [
      ...repairSteps(world),
      ...(work.length === 0
        ? unpinStep(world, cluster)
        : pinned(work, { spec: world.spec, before: cluster.members, after: stayingNodes(world.spec) })),
    ],
    refusals: work.length === 0 ? asked : [...asked, ...shapeRefusals(world, { cluster, moves, joined: [] })],
    notes: [],
  };
}

/** The shards as they are. A master without slots takes part where the shape wants more masters than there are, one that leaves gives all of its. */
function shardsNow({ spec }: ApplyWorld, { members }: Members): Shard[] {
  const owners = members.filter(({ slots }) => slots.length > 0);
  const room = spec.shape.masters - owners.filter(({ leaving }) => leaving === null).length;
  const idle = members
    .filter(
      ({ slots, isReplica, answer, leaving }) =>
        slots.length === 0 && !isReplica && answer !== null && leaving === null,
    )
    .slice(0, Math.max(0, room));
  return members
    .filter((member) => owners.includes(member) || idle.includes(member))
    .map(({ node, slots, leaving }) => ({
      master: node.name,
      owner: node.name,
      nodes: members.filter(({ master }) => master === node.name).map((member) => member.node.name),
      slots,
      drained: leaving !== null,
    }));
}
