import type { ApplyWorld } from './apply-world.js';
import type { Member, Members } from './cluster-members.js';
import { isOff } from './balance.js';
import type { DeclaredNode } from './nodes.js';
import { pinLeft } from './pinning.js';
import type { Step } from './plan.js';
import type { Roles } from './reshape-roles.js';
import { SLOT_COUNT, slotsIn } from './slots.js';
import type { ClusterSpec } from './spec.js';

/** Half states are mended first: nothing else is safe beside them. */
export function repairSteps({ repairs = [] }: Pick<ApplyWorld, 'repairs'>): Step[] {
  return repairs.length === 0 ? [] : [{ kind: 'repairSlots', id: 'repairSlots', repairs }];
}

export interface Pinning {
  readonly spec: ClusterSpec;
  readonly before: readonly Member[];
  /** The nodes that are members in the end. */
  readonly after: readonly DeclaredNode[];
}

/** The steps between pinning and unpinning the replicas, where the spec lets Redis move them by itself. */
export function pinned(steps: readonly Step[], { spec, before, after }: Pinning): Step[] {
  const nodes = after.map(({ name }) => name);
  const there = before.filter(({ answer }) => answer !== null).map(({ node }) => node.name);
  if (spec.redis.replicaMigration === 'pinned' || steps.length === 0) return [...steps];
  return [
    { kind: 'pinReplicas', id: 'pinReplicas', nodes: [...nodes, ...there.filter((name) => !nodes.includes(name))] },
    ...steps,
    { kind: 'unpinReplicas', id: 'unpinReplicas', nodes },
  ];
}

/** Pins that an operation left, where nothing else is done under a pin. `apply` sees them as settings that differ. */
export function unpinStep({ settings }: Pick<ApplyWorld, 'settings'>, { members }: Members): Step[] {
  const nodes = members
    .filter(({ answer, leaving }) => leaving === null && answer !== null && pinLeft(answer, settings) !== null)
    .map(({ node }) => node.name);
  return nodes.length === 0 ? [] : [{ kind: 'unpinReplicas', id: 'unpinReplicas', nodes }];
}

/** As many per cent off its share a master has to be for the plan to say so where the spec wants no balance. */
const WORTH_SAYING_PERCENT = 50;

/** What is left as it is, and worth knowing: shares that are far from even while the spec does not ask for even ones. */
export function movesAdvice(
  { spec }: Pick<ApplyWorld, 'spec'>,
  { cluster, roles, moves }: { cluster: Members; roles: Roles; moves: readonly Step[] },
): string[] {
  if (spec.balance !== null || moves.length > 0 || cluster.uncovered.length > 0) return [];
  const wanted = SLOT_COUNT / roles.targets.masters.length;
  const off = roles.shards.filter(({ slots }) =>
    isOff({ has: slotsIn(slots), wanted, thresholdPercent: WORTH_SAYING_PERCENT }),
  );
  if (off.length === 0) return [];
  const shares = off.map(({ owner, slots }) => `${owner} owns ${slotsIn(slots)}`).join(', ');
  return [
    `Of ${SLOT_COUNT} slots ${shares}; an even share is ${Math.floor(wanted)}. The spec asks for no balance, so they stay: redisforge rebalance evens them out.`,
  ];
}
