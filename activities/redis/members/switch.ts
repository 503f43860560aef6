import { type AtomicTask, isUnderWay, parseRedisTasks, parseValkeyTasks } from '../../../domain/atomic-tasks.js';
import { ForgeError } from '../../../domain/errors.js';
import type { FormingNode } from '../../../domain/formation.js';
import { answeringOf, type LookedNode } from '../../../domain/members.js';
import { leavingNodes } from '../../../domain/nodes.js';
import type { SwitchMasterStep } from '../../../domain/reshape-steps.js';
import type { StepResult } from '../../../domain/steps.js';
import { planSwitch, type SwitchAction } from '../../../domain/switching.js';
import { type Command, valueOf } from '../connection.js';
import type { FormingNodes } from '../forming-nodes.js';
import { type MembersDeps, withMembers } from './access.js';
import { AT_FIRST, inRounds, refused, type Times } from './rounds.js';

/** An attempt expires after 5 s (CLUSTER_MF_TIMEOUT, cluster-manual-failover-timeout), and one that comes right after it may be swallowed. */
const ATTEMPT_MS = 6000;

/**
 * Makes a replica the master of its shard without a lost write, and returns when everybody says so and the old master follows it. A failover that does not come
 * about is begun again when it has expired, as long as the gates are open (domain/switching.ts). A node that is the master already is only waited for.
 * @throws ForgeError Refused, NotReached, NodeUnreachable, NodeAuthFailed, SecretUnavailable, Fenced
 */
export async function switchMaster(step: SwitchMasterStep, deps: MembersDeps): Promise<StepResult> {
  const { spec, token, node } = step;
  const leaving = new Set(leavingNodes(spec).map(({ name }) => name));
  let migrating: ReadonlySet<string> = new Set();
  const decide = (nodes: readonly LookedNode[], { sinceCommand }: Times) => {
    const running = sinceCommand !== null && sinceCommand < ATTEMPT_MS;
    return planSwitch({ node, nodes, leaving, migrating, attempt: running ? 'running' : 'none' });
  };
  const guard = (nodes: readonly LookedNode[]) => {
    const { refusals } = decide(nodes, AT_FIRST);
    if (refusals.length > 0) throw refused(refusals);
  };
  const mayBeSilent = new Set([...leaving].filter((name) => name !== node));
  return withMembers({ spec, token, mayBeSilent, guard }, deps, async (nodes) => {
    const { effects } = await inRounds<SwitchAction>(
      {
        nodes,
        timings: spec.timings,
        purpose: `The takeover by ${node}`,
        overdue: {
          type: 'NotReached',
          next: 'See the load of its master and the links between them; run the same again: it goes on from here.',
        },
        untouched: 'Refused',
        lookFurther: async (looked) => {
          migrating = await endsOfMigrations(nodes, answeringOf(looked));
        },
        decide,
        order: [],
        commandOf: () => ['CLUSTER', 'FAILOVER'],
        wordsOf: (action) => `${action.node} was told to take over from ${action.from}`,
        effectsOf: (done) => [...new Set(done.map((action) => `${action.node} took over from ${action.from}`))],
      },
      deps,
    );
    return { effects };
  });
}

/**
 * IDs of the ends of all atomic slot migrations under way, whoever tells of them: one that has just begun is known to its target only. A node that does not
 * say counts as one. @throws ForgeError Fenced
 */
async function endsOfMigrations(nodes: FormingNodes, members: readonly FormingNode[]): Promise<Set<string>> {
  const ends = members.map(async ({ name, id }): Promise<string[]> => {
    try {
      const tasks = await tasksOn(nodes, name);
      return tasks.filter(isUnderWay).flatMap(({ sourceId, targetId }) => [id, sourceId ?? id, targetId ?? id]);
    } catch (error) {
      if (error instanceof ForgeError) throw error;
      // It did not answer in time, or with something else: the gate stays closed until it says that there is none.
      return [id];
    }
  });
  return new Set((await Promise.all(ends)).flat());
}

async function tasksOn(nodes: FormingNodes, name: string): Promise<AtomicTask[]> {
  const { slotMover } = await nodes.capabilitiesOf(name);
  if (slotMover === null) return [];
  const isRedis = slotMover.asked === 'target';
  const [reply] = await nodes.send(name, [isRedis ? REDIS_TASKS : VALKEY_TASKS]);
  return (isRedis ? parseRedisTasks : parseValkeyTasks)(valueOf(reply));
}

const REDIS_TASKS: Command = ['CLUSTER', 'MIGRATION', 'STATUS', 'ALL'];
const VALKEY_TASKS: Command = ['CLUSTER', 'GETSLOTMIGRATIONS'];
