import { isSettled } from '../../../domain/decision.js';
import { planJoin } from '../../../domain/joining.js';
import { answeringOf, type LookedNode, shardMaster } from '../../../domain/members.js';
import { leavingNodes } from '../../../domain/nodes.js';
import type { Joined, JoinNodesStep } from '../../../domain/reshape-steps.js';
import { commandOf, effectOf } from '../forming-nodes.js';
import { type MembersDeps, withMembers } from './access.js';
import { syncingQuickly } from './quick-sync.js';
import { AT_FIRST, inRounds, refused, type Times } from './rounds.js';

/**
 * Makes new nodes members of the cluster, and returns when every member says so: all know each other, in the right roles, and every new replica is in
 * sync. Goes on from any half state; nodes that are lost are not asked, and nobody waits for those that leave.
 * @throws ForgeError Refused where a node is not fit to join (domain/joining-guard.ts), NotReached, NodeUnreachable, NodeAuthFailed, SecretUnavailable, Fenced
 */
export async function joinNodes(step: JoinNodesStep, deps: MembersDeps): Promise<Joined> {
  const { spec, token, masters, replicas } = step;
  const leaving = new Set(leavingNodes(spec).map(({ name }) => name));
  const decide = (nodes: readonly LookedNode[], { elapsed }: Times) =>
    planJoin({ wanted: step, nodes, leaving, gossip: elapsed > gossipMs(step) ? 'late' : 'awaited' });
  const guard = (nodes: readonly LookedNode[]) => {
    const { refusals } = decide(nodes, AT_FIRST);
    if (refusals.length > 0) throw refused(refusals);
  };
  return withMembers({ spec, token, mayBeSilent: leaving, guard }, deps, async (nodes) => {
    const looked = await nodes.look();
    const first = answeringOf(looked);
    const done = isSettled(decide(looked, AT_FIRST));
    const feeding = done ? [] : replicas.flatMap(({ of }) => shardMaster(of, first)?.name ?? []);
    const quick = { nodes, spec, masters: [...new Set(feeding)], names: first.map(({ name }) => name) };
    const settled = await syncingQuickly(quick, () =>
      inRounds(
        {
          nodes,
          timings: spec.timings,
          purpose: `Joining ${[...masters, ...replicas.map(({ node }) => node)].join(', ')}`,
          overdue: { type: 'NotReached', next: NEXT },
          decide,
          order: ['setConfigEpoch', 'meet', 'replicate'],
          commandOf,
          wordsOf: effectOf,
        },
        deps,
      ),
    );
    const identities = Object.fromEntries(answeringOf(settled.nodes).map(({ name, id }) => [name, id]));
    return { effects: settled.effects, identities };
  });
}

const NEXT =
  'See whether client and bus ports (port + 10000) are open between all hosts, and run the same again: it goes on from here.';

/** Every member has spoken to every other one within this; who has not heard of a new node by then will not by gossip alone. */
function gossipMs({ spec: { redis, timings } }: JoinNodesStep): number {
  return Math.min(redis.nodeTimeoutMs, timings.formMs / 4);
}
