import { isUnderWay, parseRedisTasks, parseValkeyTasks } from '../../../domain/atomic-tasks.js';
import { ForgeError } from '../../../domain/errors.js';
import { answeringOf, type LookedNode } from '../../../domain/members.js';
import { leavingNodes } from '../../../domain/nodes.js';
import { selfOf } from '../../../domain/observation.js';
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
          migrating = await nodesMigrating(nodes, shardOf(node, looked));
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

/** A node and its master. */
function shardOf(name: string, looked: readonly LookedNode[]): string[] {
  const answering = answeringOf(looked);
  const node = answering.find((one) => one.name === name);
  const masterId = node === undefined ? null : (selfOf(node)?.masterId ?? null);
  return answering.filter((one) => one === node || one.id === masterId).map((one) => one.name);
}

/** Which of these nodes have an atomic slot migration under way, or do not say. @throws ForgeError Fenced */
async function nodesMigrating(nodes: FormingNodes, names: readonly string[]): Promise<Set<string>> {
  const asked = names.map(async (name) => ((await mayMigrate(nodes, name)) ? [name] : []));
  return new Set((await Promise.all(asked)).flat());
}

async function mayMigrate(nodes: FormingNodes, name: string): Promise<boolean> {
  try {
    const { slotMover } = await nodes.capabilitiesOf(name);
    if (slotMover === null) return false;
    const isRedis = slotMover.asked === 'target';
    const [reply] = await nodes.send(name, [isRedis ? REDIS_TASKS : VALKEY_TASKS]);
    return (isRedis ? parseRedisTasks : parseValkeyTasks)(valueOf(reply)).some(isUnderWay);
  } catch (error) {
    if (error instanceof ForgeError) throw error;
    // It did not answer in time, or with something else: the gate stays closed until it says that there is none.
    return true;
  }
}

const REDIS_TASKS: Command = ['CLUSTER', 'MIGRATION', 'STATUS', 'ALL'];
const VALKEY_TASKS: Command = ['CLUSTER', 'GETSLOTMIGRATIONS'];
