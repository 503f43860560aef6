import type { AtomicTask } from '../../../domain/atomic-tasks.js';
import { cancelTasks } from './atomic-cancel.js';
import { rolesChanged } from './atomic-failures.js';
import { askedEnd, otherEnd, type Running, type Tools, whereabouts } from './atomic-task.js';

/** A task that its node does not know of by then was never begun, or is forgotten. */
const UNKNOWN_MS = 1000;

/** Both ends have to agree about a new owner within this. */
const AGREE_MS = 10_000;

/** An engine that begins a failed task again by itself may do so this often, about once a second. */
const MOST_RETRIES = 5;

/** How a task stands. */
export type Standing =
  | { readonly kind: 'under-way' }
  /** The target owns its slots, and the source knows. */
  | { readonly kind: 'moved' }
  /** It is over, and the source owns the slots as before. */
  | { readonly kind: 'failed'; readonly words: string };

/**
 * How a task stands, from what the node that was told to begin it says (`undefined` where it knows nothing of it). Whether it is done the owners say: records of
 * tasks go with a restart.
 * @throws MoveTrouble where an end is gone, or is not what it was; ForgeError Fenced
 */
export async function standingOf(running: Running, task: AtomicTask | undefined, tools: Tools): Promise<Standing> {
  const now = performance.now();
  if (task === undefined && running.id === null && now - running.startedAt < UNKNOWN_MS) return { kind: 'under-way' };
  if (task !== undefined) running.id = task.id;
  if (task?.state === 'running') return { kind: 'under-way' };
  if (task?.state === 'retrying') return retrying(running, task, tools);
  const { from, to } = running.pair.transfer;
  const owner = await whereabouts(running, tools);
  switch (owner) {
    case 'target':
      return { kind: 'moved' };
    case 'source':
      return { kind: 'failed', words: await wordsOf(running, task, tools) };
    case 'unknown':
      return { kind: 'under-way' };
    case 'between':
      running.betweenSince ??= now;
      if (now - running.betweenSince < AGREE_MS) return { kind: 'under-way' };
      throw rolesChanged({ node: from.name, words: `it does not hear that it has given slots to ${to.name}` });
    case 'elsewhere':
      throw rolesChanged({ node: from.name, words: `slots on their way to ${to.name} are with neither of the two` });
    default:
      return owner satisfies never;
  }
}

/** What fails for a while by itself is left to the engine; what does not stop is cancelled. */
async function retrying(running: Running, task: AtomicTask, tools: Tools): Promise<Standing> {
  running.retriesBefore ??= task.retries;
  if (task.retries - running.retriesBefore < MOST_RETRIES) return { kind: 'under-way' };
  const { from, to } = running.pair.transfer;
  await cancelTasks({ asked: to.name, others: [from.name], ids: new Set([task.id]) }, tools);
  await tools.nodes.must(from.name, [['PING']]);
  return (await whereabouts(running, tools)) === 'target' ? { kind: 'moved' } : { kind: 'failed', words: task.error };
}

/** One end often only says that the other one knows more. */
async function wordsOf({ pair, id }: Running, task: AtomicTask | undefined, { engine, nodes }: Tools): Promise<string> {
  if (task === undefined) return `${askedEnd(engine, pair.transfer).name} does not know of the task any more`;
  const others = (await nodes.tasks(otherEnd(engine, pair.transfer).name)) ?? [];
  const words = [task.error, others.find((other) => other.id === id)?.error ?? ''].filter((text) => text !== '');
  return words.length === 0 ? `it was ${task.state}` : words.join('; ');
}
