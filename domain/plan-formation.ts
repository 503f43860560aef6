import { type ApplyWorld, everFormed } from './apply-world.js';
import type { Members } from './cluster-members.js';
import { type FormationWanted, planFormation } from './formation.js';
import { tuningLeft } from './formation-tuning.js';
import { leavingNodes, stayingNodes } from './nodes.js';
import { type AnsweringNode, answering, type Observation } from './observation.js';
import type { Placement } from './placement.js';
import type { Refusal, Step } from './plan.js';

interface Forming {
  readonly steps: readonly Step[];
  readonly refusals: readonly Refusal[];
}

/** The cluster is formed where not all nodes have been members before, or where those that run are not yet what they should be. */
export function formationStep(world: ApplyWorld, { masters, replicas }: Placement): Forming {
  const step: Step = { kind: 'formCluster', id: 'formCluster', masters, replicas };
  const answered = answeringOurs(world);
  if (answered.length === 0) return { steps: everFormed(world) ? [] : [step], refusals: [] };
  const formation = planFormation({ wanted: { masters, replicas }, observation: stayingObservation(world) });
  const complete = answered.length === stayingNodes(world.spec).length ? formation.settled : everFormed(world);
  const tuned = answered.some((node) => tuningLeft(node, world.settings).length > 0);
  return { steps: complete && !tuned ? [] : [step], refusals: formation.refusals };
}

const SYNC_DELAY = 'repl-diskless-sync-delay';

/**
 * A formation that was killed before it took its settings back, on a cluster that has been formed: it is run to its end, with roles that change nothing.
 * Where members are to change, the settings would be those of the wrong moment: then it is refused.
 */
export function tuningStep(
  world: ApplyWorld,
  { masters, replicas }: Placement,
  { cluster, reshaping }: { readonly cluster: Members; readonly reshaping: boolean },
): Forming {
  const tuned = answeringOurs(world).filter((node) => tuningLeft(node, world.settings).length > 0);
  if (tuned.length === 0) return { steps: [], refusals: [] };
  const names = tuned.map(({ name }) => name).join(', ');
  // Of these one is no harm to a change of members, and taken back by it: joining and attaching lower it, too.
  const harmless = tuned.every((node) =>
    tuningLeft(node, world.settings).every(({ setting }) => setting === SYNC_DELAY),
  );
  if (reshaping && harmless) return { steps: [], refusals: [] };
  if (reshaping || leavingNodes(world.spec).length > 0) {
    const what = `${names} still runs with settings that only a formation uses: it was killed before it took them back.`;
    const next = 'Run apply with the spec as it was: it takes them back. Then change the members.';
    return { steps: [], refusals: [{ what, next }] };
  }
  const { settled } = planFormation({ wanted: { masters, replicas }, observation: world.observation });
  const roles = settled ? { masters, replicas } : rolesNow(cluster);
  return { steps: [{ kind: 'formCluster', id: 'formCluster', ...roles }], refusals: [] };
}

/**
 * Whether the formation as the spec places it does no more than attach these nodes, or has a reason not to: then it was killed before its last step, and is
 * ended now.
 */
export function isLastOfFormation(
  world: ApplyWorld,
  { masters, replicas }: Placement,
  nodes: readonly string[],
): boolean {
  const { actions, refusals } = planFormation({ wanted: { masters, replicas }, observation: world.observation });
  const attached = actions.flatMap((action) => (action.kind === 'replicate' ? [action.node] : []));
  const others = actions.length - attached.length + nodes.filter((node) => !attached.includes(node)).length;
  return refusals.length > 0 || (others === 0 && attached.length === nodes.length);
}

function rolesNow({ members }: Members): FormationWanted {
  const masters = members.filter(({ slots }) => slots.length > 0);
  return {
    masters: masters.map(({ node, slots }) => ({ node: node.name, slots })),
    replicas: masters.flatMap(({ node: { name: of } }) =>
      members.filter(({ master }) => master === of).map(({ node }) => ({ node: node.name, of })),
    ),
  };
}

/** Members that the spec does not mention are findings of the verdict; a plan does nothing about them. */
function answeringOurs(world: ApplyWorld): AnsweringNode[] {
  return answering(stayingObservation(world)).filter(({ declared }) => declared);
}

/** Nodes that leave are not formed. */
function stayingObservation({ spec, observation }: ApplyWorld): Observation {
  const leaving = new Set(leavingNodes(spec).map(({ name }) => name));
  return leaving.size === 0
    ? observation
    : { ...observation, nodes: observation.nodes.filter(({ name }) => !leaving.has(name)) };
}
