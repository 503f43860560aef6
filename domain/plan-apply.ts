import type { ApplyWorld } from './apply-world.js';
import { type Members, membersOf } from './cluster-members.js';
import { isLastOfFormation, formationStep, tuningStep } from './plan-formation.js';
import { planGoal } from './plan-goals.js';
import { hostProblems, hostSteps, nodeProblems } from './plan-hosts.js';
import { leavingNodes, lostHosts, stayingNodes } from './nodes.js';
import { place, type Placement } from './placement.js';
import type { PlanBody, Refusal, Step } from './plan.js';
import { profileNotes } from './plan-profile.js';
import { planSettings } from './plan-settings.js';
import { reachRefusals } from './reach.js';
import { planReshape, type Reshape } from './reshape.js';

/**
 * The steps from the world as it is to what is wanted: the cluster that the spec declares, or, where the goal is another one, no more than that. Pure: the same
 * world gives the same plan.
 */
export function planApply(world: ApplyWorld): PlanBody {
  const cluster = membersOf(world);
  const { goal } = world;
  if (goal !== undefined && goal.kind !== 'spec') return bodyOf(world, planGoal(world, goal, cluster));
  const placement = place(world.spec);
  const perHost = hostSteps(world);
  const changing = planSettings(world);
  const shaping = planShape(world, { placement, cluster });
  return bodyOf(world, {
    steps: [...perHost, ...changing.steps, ...shaping.steps],
    refusals: [
      ...placement.problems.map((what) => ({ what, next: 'Change zones or shape in the spec.' })),
      ...hostProblems(world),
      ...reachRefusals(world),
      ...changing.refusals,
      ...shaping.refusals,
      ...nodeProblems(world),
    ],
    drift: changing.drift,
    notes: [
      ...(shaping.steps.some(({ kind }) => kind === 'formCluster') ? placement.notes : []),
      ...changing.notes,
      ...(perHost.length > 0 ? profileNotes(world.spec, world.surveys) : []),
      ...shaping.notes,
    ],
  });
}

function bodyOf(
  world: ApplyWorld,
  { steps, refusals, drift = [], notes }: Reshape & Partial<Pick<PlanBody, 'drift'>>,
): PlanBody {
  const { spec, operation = 'apply' } = world;
  return {
    cluster: spec.name,
    uid: spec.uid,
    operation,
    steps: steps.some(concernsClients) ? [...steps, { kind: 'smokeTest', id: 'smokeTest' }] : steps,
    refusals: [...unsurveyed(world), ...refusals],
    drift,
    notes,
  };
}

/** Hosts that are lost by the spec's own word need not answer. */
function unsurveyed({ spec, unsurveyed: all }: ApplyWorld): Refusal[] {
  const lost = new Set(lostHosts(spec).map(({ name }) => name));
  return all.filter(({ host }) => host === undefined || !lost.has(host));
}

/** Whether clients could get another answer after the step, so that the application's way is tried. Settings are read back one by one. */
function concernsClients(step: Step): boolean {
  if (step.kind === 'changeSettings') return step.files.some(({ role }) => role === 'acl');
  return !['prepareHost', 'applyProfile', 'installEngine'].includes(step.kind);
}

/** A cluster that was never formed, or whose forming was not ended, is formed; one that was is changed in place. */
function planShape(
  world: ApplyWorld,
  { placement, cluster }: { placement: Placement; cluster: Members | null },
): Reshape {
  if (placement.problems.length > 0) return { steps: [], refusals: [], notes: [] };
  if (cluster === null || isHalfFormed(world, cluster)) return planFirstShape(world, placement);
  const reshape = planReshape(world, cluster);
  const attached = strayOnly(reshape.steps, cluster);
  if (attached !== null && isLastOfFormation(world, placement, attached))
    return { notes: [], ...formationStep(world, placement) };
  const tuning = tuningStep(world, placement, { cluster, reshaping: reshape.steps.length > 0 });
  return {
    steps: [...tuning.steps, ...reshape.steps],
    refusals: [...reshape.refusals, ...tuning.refusals],
    notes: reshape.notes,
  };
}

/** Nodes that leave have been somewhere: a cluster without any of them would begin empty, in the place of theirs. */
function planFirstShape(world: ApplyWorld, placement: Placement): Reshape {
  const forming = formationStep(world, placement);
  const leaving = leavingNodes(world.spec).map(({ name }) => name);
  if (leaving.length === 0 || forming.steps.length === 0) return { notes: [], ...forming };
  const what = `${leaving.join(', ')} ${leaving.length === 1 ? 'is' : 'are'} to leave a cluster of which no other member is known: the nodes that stay would form a new one, without any data.`;
  const next =
    'Start a node that was a member. Where there is nothing to be saved, take the nodes that leave out of the spec.';
  return { steps: [], refusals: [{ what, next }], notes: [] };
}

/** Slots without an owner, while all nodes are members and none is to leave, are what a killed formation leaves behind, or a dead master. */
function isHalfFormed({ spec }: ApplyWorld, { members, newcomers, uncovered }: Members): boolean {
  const staying = members.filter(({ leaving }) => leaving === null).length;
  return (
    uncovered.length > 0 &&
    newcomers.length === 0 &&
    staying === members.length &&
    staying === stayingNodes(spec).length
  );
}

/** Members that follow nobody yet and are attached, where nothing else is done. */
function strayOnly(steps: readonly Step[], { members }: Members): string[] | null {
  const nodes = steps.flatMap((step) => (step.kind === 'attachReplica' ? [step.node] : []));
  const stray = members.filter(({ isReplica }) => !isReplica).map(({ node }) => node.name);
  return nodes.length > 0 && nodes.length === steps.length && nodes.every((node) => stray.includes(node))
    ? nodes
    : null;
}
