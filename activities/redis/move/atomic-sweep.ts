import { type Chunk, takeRanges } from '../../../domain/atomic-schedule.js';
import { type AtomicTask, isUnderWay } from '../../../domain/atomic-tasks.js';
import { textOf } from '../connection.js';
import { cancelTasks } from './atomic-cancel.js';
import type { PairWork, Tools } from './atomic-task.js';
import type { MovingMaster } from './mover.js';

/** A task of an earlier attempt that does what is to be done anyway. */
export interface Adopted {
  readonly pair: PairWork;
  readonly chunk: Chunk;
  readonly task: AtomicTask;
}

export interface SweepRequest {
  readonly pairs: readonly PairWork[];
  /** Names of the other masters: a task may come from or lead to one of them. */
  readonly otherMasters: readonly string[];
}

/**
 * Looks for tasks that an earlier attempt left on the nodes of a move. Those that move what is to be moved are taken over, and their slots are out of what is
 * left; all others are cancelled where they were begun: nobody waits for them any more.
 * @throws MoveTrouble; ForgeError Fenced
 */
export async function sweep(request: SweepRequest, tools: Tools): Promise<Adopted[]> {
  const masters = mastersOf(request.pairs);
  const found = await tasksOf(masters, tools);
  const adopted = found.flatMap(({ at, task }) => adopt(at, task, request.pairs, tools) ?? []);
  const kept = new Set(adopted.map(({ task }) => task.id));
  const strays = found.filter(({ task }) => !kept.has(task.id) && leavesSomething(task, tools));
  const known = new Map(masters.map(({ id, name }) => [id, name]));
  if (strays.some(({ task }) => [task.sourceId, task.targetId].some((id) => id !== null && !known.has(id))))
    for (const [id, name] of await identities(request.otherMasters, tools)) known.set(id, name);
  for (const stray of strays) await end(stray, known, tools);
  return adopted;
}

interface Found {
  readonly at: MovingMaster;
  readonly task: AtomicTask;
}

function mastersOf(pairs: readonly PairWork[]): MovingMaster[] {
  const masters = pairs.flatMap(({ transfer }) => [transfer.from, transfer.to]);
  return [...new Map(masters.map((master) => [master.name, master])).values()];
}

async function tasksOf(masters: readonly MovingMaster[], { nodes }: Tools): Promise<Found[]> {
  const lists = await Promise.all(
    masters.map(async (at) => ((await nodes.tasks(at.name)) ?? []).map((task) => ({ at, task }))),
  );
  return lists.flat();
}

/** The pair that a task belongs to, where all that it moves is still to be moved. */
function adopt(at: MovingMaster, task: AtomicTask, pairs: readonly PairWork[], { engine }: Tools): Adopted | undefined {
  if (task.side !== engine.askedSide || !isUnderWay(task)) return undefined;
  for (const pair of pairs) {
    const { from, to } = pair.transfer;
    const asked = engine.asked === 'target' ? to : from;
    if (asked.id !== at.id || task.sourceId !== from.id || task.targetId !== to.id) continue;
    const taken = takeRanges(pair.left, task.ranges);
    if (taken === null) continue;
    pair.left = taken.left;
    return { pair, chunk: taken.chunk, task };
  }
  return undefined;
}

function leavesSomething(task: AtomicTask, { engine }: Tools): boolean {
  return isUnderWay(task) || engine.clear(task, { cancelled: false }) !== null;
}

async function end({ at, task }: Found, known: ReadonlyMap<string, string>, tools: Tools): Promise<void> {
  const nameOf = (id: string | null) => (id === null ? undefined : known.get(id));
  const [source, target] = [nameOf(task.sourceId), nameOf(task.targetId)];
  const asked = tools.engine.asked === 'target' ? target : source;
  const others = [at.name, source, target].flatMap((name) => (name === undefined || name === asked ? [] : [name]));
  await cancelTasks({ asked, others: [...new Set(others)], ids: new Set([task.id]) }, tools);
}

/** The names of nodes by their IDs; of those that answer. */
async function identities(names: readonly string[], { nodes }: Tools): Promise<[string, string][]> {
  const asked = await Promise.all(
    names.map(async (name): Promise<[string, string][]> => {
      const replies = await nodes.ask(name, [['CLUSTER', 'MYID']]);
      return replies === null ? [] : [[textOf(replies[0]), name]];
    }),
  );
  return asked.flat();
}
