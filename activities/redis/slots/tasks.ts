import { type AtomicTask, parseRedisTasks, parseValkeyTasks } from '../../../domain/atomic-tasks.js';
import { ForgeError } from '../../../domain/errors.js';
import { eachSlot } from '../../../domain/ownership.js';
import { type NodeTasks, settleTasks } from '../../../domain/slot-task-settling.js';
import { type Command, valueOf } from '../connection.js';
import type { OpenNodes } from '../open-nodes.js';

export interface TaskRequest {
  readonly nodes: OpenNodes;
  /** Names of the masters that answer. */
  readonly masters: readonly string[];
  /** Tasks of these slots alone, where it is given. */
  readonly slots?: ReadonlySet<number>;
}

export interface TaskRound {
  readonly effects: readonly string[];
  /** What is not over yet, in words. */
  readonly waitingFor: readonly string[];
}

/** Cancels the engine's own slot tasks that fail again and again, and says what has not come to its end. Asked again it finds less. @throws ForgeError Fenced */
export async function settleTasksOn({ nodes, masters, slots }: TaskRequest): Promise<TaskRound> {
  const found = await Promise.all(masters.map((name) => tasksOn(nodes, name)));
  const concerning = found
    .filter((one) => one !== null)
    .map((one) => ({ ...one, tasks: one.tasks.filter((task) => concerns(task, slots)) }));
  const { cancel, waitFor } = settleTasks(concerning);
  const effects: string[] = [];
  for (const { node, task, why } of cancel) {
    const [reply] = await nodes.send(node, [['CLUSTER', 'MIGRATION', 'CANCEL', 'ID', task]]).catch(passing);
    if (reply?.ok === true) effects.push(`${node}: slot task ${task.slice(0, 8)} cancelled (${why})`);
  }
  const cancelled = cancel.map(({ node, task }) => `${node}: slot task ${task.slice(0, 8)} is being cancelled`);
  return { effects, waitingFor: [...waitFor, ...cancelled] };
}

function concerns({ ranges }: AtomicTask, slots: ReadonlySet<number> | undefined): boolean {
  return slots === undefined || [...eachSlot(ranges)].some((slot) => slots.has(slot));
}

const STATUS = {
  target: { engine: 'redis', command: ['CLUSTER', 'MIGRATION', 'STATUS', 'ALL'], read: parseRedisTasks },
  source: { engine: 'valkey', command: ['CLUSTER', 'GETSLOTMIGRATIONS'], read: parseValkeyTasks },
} as const satisfies Record<
  'target' | 'source',
  { engine: NodeTasks['engine']; command: Command; read: (answer: unknown) => AtomicTask[] }
>;

/** `null` where the engine has none, or does not answer. */
async function tasksOn(nodes: OpenNodes, name: string): Promise<NodeTasks | null> {
  try {
    const { slotMover } = await nodes.capabilitiesOf(name);
    if (slotMover === null) return null;
    const { engine, command, read } = STATUS[slotMover.asked];
    const [reply] = await nodes.send(name, [command]);
    return { node: name, engine, tasks: read(valueOf(reply)) };
  } catch (error) {
    passing(error);
    return null;
  }
}

/** The next look asks again. @throws ForgeError Fenced */
function passing(error: unknown): [] {
  if (error instanceof ForgeError) throw error;
  return [];
}
