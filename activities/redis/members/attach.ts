import { planAttach } from '../../../domain/attaching.js';
import { isSettled } from '../../../domain/decision.js';
import { answeringOf, type LookedNode, shardMaster } from '../../../domain/members.js';
import { leavingNodes } from '../../../domain/nodes.js';
import type { AttachReplicaStep } from '../../../domain/reshape-steps.js';
import type { StepResult } from '../../../domain/steps.js';
import { commandOf, effectOf } from '../forming-nodes.js';
import { type MembersDeps, withMembers } from './access.js';
import { syncingQuickly } from './quick-sync.js';
import { inRounds, refused } from './rounds.js';

/**
 * Makes a member a replica in the shard that `of` is in, and returns when it is in sync and every member says so. A replica there already is only waited
 * for. Done twice it does nothing: CLUSTER REPLICATE of the same master changes nothing.
 * @throws ForgeError Refused where it is a master that has slots or keys, NotReached, NodeUnreachable, NodeAuthFailed, SecretUnavailable, Fenced
 */
export async function attachReplica(step: AttachReplicaStep, deps: MembersDeps): Promise<StepResult> {
  const { spec, token, node, of } = step;
  const leaving = new Set(leavingNodes(spec).map(({ name }) => name));
  const decide = (nodes: readonly LookedNode[]) => planAttach({ wanted: { node, of }, nodes, leaving });
  const guard = (nodes: readonly LookedNode[]) => {
    const { refusals } = decide(nodes);
    if (refusals.length > 0) throw refused(refusals);
  };
  const mayBeSilent = new Set([...leaving].filter((name) => name !== node && name !== of));
  return withMembers({ spec, token, mayBeSilent, guard }, deps, async (nodes) => {
    const looked = await nodes.look();
    const first = answeringOf(looked);
    const master = shardMaster(of, first);
    const quick = {
      nodes,
      spec,
      masters: master === undefined || isSettled(decide(looked)) ? [] : [master.name],
      names: first.map(({ name }) => name),
    };
    const { effects } = await syncingQuickly(quick, () =>
      inRounds(
        {
          nodes,
          timings: spec.timings,
          purpose: `Attaching ${node} to the shard of ${of}`,
          overdue: {
            type: 'NotReached',
            next: `See the log of ${node} for why it does not get in sync, and run the same again: it goes on from here.`,
          },
          decide,
          order: [],
          commandOf,
          wordsOf: effectOf,
        },
        deps,
      ),
    );
    return { effects };
  });
}
