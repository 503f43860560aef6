import { type AttachAction, planAttach } from './attaching.js';
import { type Decision, refusing, together, waiting } from './decision.js';
import type { FormationAction, FormingNode } from './formation.js';
import { sightProblems } from './formation-waiting.js';
import { joinRefusals } from './joining-guard.js';
import { answeringOf, formedGroup, isMaster, type LookedNode, slotDisagreements } from './members.js';
import { selfOf } from './observation.js';
import { endpoint, inHandshake, knows } from './picture.js';
import type { PlannedReplica } from './plan.js';

export type JoinAction = Extract<FormationAction, { kind: 'setConfigEpoch' | 'meet' | 'replicate' }>;

export interface JoinWanted {
  readonly masters: readonly string[];
  readonly replicas: readonly PlannedReplica[];
}

export interface JoinInput {
  readonly wanted: JoinWanted;
  readonly nodes: readonly LookedNode[];
  /** Names of nodes that leave the cluster: what they see is not waited for. */
  readonly leaving: ReadonlySet<string>;
  /** `late`: whoever has not heard of a new node by gossip is told. */
  readonly gossip: 'awaited' | 'late';
}

/**
 * The next commands that make new nodes members of a cluster that is formed and serves, from whatever an earlier, killed attempt left: one hub
 * introduces them, gossip does the rest, replicas follow their masters. Nothing is sent before the guard has looked at them (joining-guard.ts).
 */
export function planJoin({ wanted, nodes, leaving, gossip }: JoinInput): Decision<JoinAction> {
  const names = [...wanted.masters, ...wanted.replicas.map(({ node }) => node)];
  const answering = answeringOf(nodes);
  const group = formedGroup(answering);
  const members = group.filter(({ name }) => !names.includes(name));
  const hub = members.find(({ name }) => !leaving.has(name)) ?? members[0];
  if (hub === undefined) return refusing([notFormed(names)]);
  const newcomers = nodes.filter(({ name }) => names.includes(name));
  const joining = answeringOf(newcomers);
  const refusals = joinRefusals({ newcomers, nodes, members, hub, wanted });
  if (refusals.length > 0) return refusing(refusals);

  const staying = members.filter(({ name }) => !leaving.has(name));
  const viewers = [...staying, ...joining];
  const strayed = joining.flatMap((node) => strangeHandshakes(node, nodes, members));
  return together<JoinAction>([
    waiting(...newcomers.flatMap((node) => (node.answered ? [] : [`${node.name} does not answer`])), ...strayed),
    { actions: epochActions(wanted, joining, answering), refusals: [], waitingFor: [] },
    {
      actions: strayed.length > 0 ? [] : meetings({ hub, joining, staying, gossip }),
      refusals: [],
      waitingFor: [
        ...viewers.flatMap((viewer) => joining.flatMap((node) => sightProblems(viewer, node))),
        ...joining.flatMap((viewer) => staying.flatMap((node) => sightProblems(viewer, node))),
        ...viewers.flatMap((viewer) => openHandshakes(viewer, viewers)),
        ...sameEpochs(viewers),
        ...notServing(staying, joining),
        ...slotDisagreements(viewers),
      ],
    },
    ...wanted.replicas.map((replica) => attachment(replica, { nodes, leaving })),
  ]);
}

/** A new replica that does not answer, or has not met its master yet, is waited for above. */
function attachment(wanted: PlannedReplica, rest: Pick<JoinInput, 'nodes' | 'leaving'>): Decision<AttachAction> {
  return planAttach({ wanted, ...rest });
}

/** A config epoch of its own for each new master, while it can be set: before it has met another. Redis would settle equal ones, later. */
function epochActions(
  { masters }: JoinWanted,
  joining: readonly FormingNode[],
  answering: readonly FormingNode[],
): JoinAction[] {
  const highest = Math.max(0, ...answering.flatMap(({ view }) => view.map(({ configEpoch }) => configEpoch)));
  return masters.flatMap((name, i) => {
    const node = joining.find((one) => one.name === name);
    if (node?.view.length !== 1 || node.view[0]?.configEpoch !== 0) return [];
    return [{ kind: 'setConfigEpoch' as const, node: name, epoch: highest + i + 1 }];
  });
}

interface Meeting extends Pick<JoinInput, 'gossip'> {
  readonly hub: FormingNode;
  readonly joining: readonly FormingNode[];
  readonly staying: readonly FormingNode[];
}

/** Never in full mesh: crossing handshakes take seconds. Whom gossip does not reach (it was told to forget the node) is introduced at last. */
function meetings({ hub, joining, staying, gossip }: Meeting): JoinAction[] {
  return joining.flatMap((node) => {
    if (!knows(hub, node)) return meet(hub, node);
    if (!knows(node, hub)) return meet(node, hub);
    if (gossip === 'awaited') return [];
    return staying.flatMap((member) => {
      if (!knows(member, node)) return meet(member, node);
      return knows(node, member) ? [] : meet(node, member);
    });
  });
}

function meet(node: FormingNode, target: FormingNode): JoinAction[] {
  const begun = (viewer: FormingNode, other: FormingNode) =>
    viewer.view.some((entry) => inHandshake(entry) && endpoint(entry) === endpoint(other));
  if (begun(node, target) || begun(target, node)) return [];
  const { address, port } = target;
  return [{ kind: 'meet', node: node.name, target: target.name, address, port }];
}

/** A node that somebody is introducing to strangers at this moment: whether they are another cluster is known when that is over. */
function strangeHandshakes(node: FormingNode, nodes: readonly LookedNode[], members: readonly FormingNode[]): string[] {
  const ours = new Set([...nodes.map(endpoint), ...members.flatMap(({ view }) => view.map(endpoint))]);
  return node.view
    .filter((entry) => inHandshake(entry) && !ours.has(endpoint(entry)))
    .map((entry) => `${node.name} is in a handshake with ${endpoint(entry)}, which is none of ours`);
}

/** Handshakes among those that have to know each other. One with a node that is dead goes on as long as gossip speaks of it. */
function openHandshakes(viewer: FormingNode, among: readonly FormingNode[]): string[] {
  const endpoints = new Set(among.map(endpoint));
  return viewer.view
    .filter((entry) => inHandshake(entry) && endpoints.has(endpoint(entry)))
    .map((entry) => `${viewer.name} is in a handshake with ${endpoint(entry)}`);
}

function sameEpochs(nodes: readonly FormingNode[]): string[] {
  const byEpoch = new Map<number, string>();
  return nodes.filter(isMaster).flatMap((node) => {
    const epoch = selfOf(node)?.configEpoch ?? 0;
    const before = byEpoch.get(epoch);
    byEpoch.set(epoch, node.name);
    return before === undefined ? [] : [`${before} and ${node.name} have the same config epoch ${epoch}`];
  });
}

/** A new master serves some seconds after it has met the others. Where the cluster itself does not serve, it cannot either. */
function notServing(staying: readonly FormingNode[], joining: readonly FormingNode[]): string[] {
  if (staying.some(({ clusterState }) => clusterState !== 'ok')) return [];
  return joining.filter(({ clusterState }) => clusterState !== 'ok').map(({ name }) => `${name} does not serve yet`);
}

function notFormed(names: readonly string[]) {
  return {
    what: `There is no cluster that ${names.join(', ')} could join: none of the other declared nodes owns a slot.`,
    next: 'Run apply: it forms the cluster of all declared nodes.',
  };
}
