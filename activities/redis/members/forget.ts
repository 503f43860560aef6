import { type ForgetAction, planForget } from '../../../domain/forgetting.js';
import type { LookedNode } from '../../../domain/members.js';
import { declaredNodes, leavingNodes } from '../../../domain/nodes.js';
import type { ForgetNodesStep } from '../../../domain/reshape-steps.js';
import type { StepResult } from '../../../domain/steps.js';
import type { Command } from '../connection.js';
import { type MembersDeps, withMembers } from './access.js';
import { inRounds, refused } from './rounds.js';

export interface ForgetDeps extends MembersDeps {
  /** Has the hosts note that these nodes leave the cluster, before the first of them is reset. @throws ForgeError Fenced, and those of a login */
  readonly letGo: (request: Pick<ForgetNodesStep, 'spec' | 'token' | 'nodes'>) => Promise<StepResult>;
}

/**
 * Takes nodes out of the cluster: a leaving node that answers lets go of its clients and is reset, then every member forgets it, until nobody knows it any
 * more; who is lost is only forgotten. The preconditions are read right before (domain/forgetting.ts says them and why in this order). Asked again it does
 * what is missing, and nothing where a node was reset and forgotten before; whoever gossip brought back is forgotten again, so this is also the look that
 * follows the ban window.
 * @throws ForgeError Refused where a node still holds something or a member cannot be told, NotReached, NodeUnreachable, NodeAuthFailed, SecretUnavailable, Fenced
 */
export async function forgetNodes(step: ForgetNodesStep, deps: ForgetDeps): Promise<StepResult> {
  const { spec, token } = step;
  const wanted = leavingOf(step);
  const decide = (nodes: readonly LookedNode[]) => planForget({ wanted, nodes });
  const guard = (nodes: readonly LookedNode[]) => {
    const { refusals } = decide(nodes);
    if (refusals.length > 0) throw refused(refusals);
  };
  const noted: string[] = [];
  let told = false;
  const mayBeSilent = new Set(wanted.filter(({ at }) => at !== null).map(({ name }) => name));
  return withMembers({ spec, token, mayBeSilent, guard }, deps, async (nodes) => {
    const { effects } = await inRounds<ForgetAction>(
      {
        nodes,
        timings: spec.timings,
        purpose: `Forgetting ${step.nodes.map(({ name }) => name).join(', ')}`,
        overdue: { type: 'NotReached', next: 'See to it that every member can be reached, and run the same again.' },
        untouched: 'Refused',
        decide,
        beforeActing: async () => {
          if (told) return;
          const { effects: notes } = await deps.letGo({ spec, token, nodes: step.nodes });
          noted.push(...notes);
          told = true;
        },
        order: ['reset', 'forget'],
        commandOf,
        leadingTo,
        wordsOf,
        effectsOf,
        // It forgot the node by itself: from Redis 7.2 on they tell each other.
        tolerates: (action, refusal) => action.kind === 'forget' && /unknown node/i.test(refusal),
      },
      deps,
    );
    return { effects: [...noted, ...effects] };
  });
}

function leavingOf({ spec, nodes }: ForgetNodesStep) {
  const leaving = new Set(leavingNodes(spec).map(({ name }) => name));
  const declared = declaredNodes(spec);
  return nodes.map((node) => ({
    ...node,
    at: leaving.has(node.name) ? (declared.find(({ name }) => name === node.name) ?? null) : null,
  }));
}

function commandOf(action: ForgetAction): Command {
  switch (action.kind) {
    case 'reset':
      return ['CLUSTER', 'RESET', 'HARD'];
    case 'forget':
      return ['CLUSTER', 'FORGET', action.id];
    default:
      return action satisfies never;
  }
}

/**
 * A client that has not heard yet where slots have gone asks another node when its connection ends; of one that was reset it would only hear CLUSTERDOWN. Who
 * subscribed would hear nothing at all.
 */
function leadingTo({ kind }: ForgetAction): Command[] {
  if (kind !== 'reset') return [];
  return ['normal', 'pubsub'].map((type) => ['CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes']);
}

function wordsOf(action: ForgetAction): string {
  switch (action.kind) {
    case 'reset':
      return `${action.node} was reset`;
    case 'forget':
      return `${action.node} forgot ${action.name} (ID ${action.id})`;
    default:
      return action satisfies never;
  }
}

/** A line for each node that was reset or forgotten, and not one for each of the members. */
function effectsOf(done: readonly ForgetAction[]): string[] {
  const tellers = new Map<string, Set<string>>();
  for (const action of done) {
    const what = action.kind === 'reset' ? wordsOf(action) : `${action.name} (ID ${action.id}) was forgotten`;
    tellers.set(what, (tellers.get(what) ?? new Set()).add(action.node));
  }
  return [...tellers].map(([what, by]) => (what.endsWith('forgotten') ? `${what} by ${by.size} nodes` : what));
}
