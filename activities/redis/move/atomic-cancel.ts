import { setTimeout as sleep } from 'node:timers/promises';
import { type AtomicTask, isUnderWay } from '../../../domain/atomic-tasks.js';
import type { Command } from '../connection.js';
import type { Tools } from './atomic-task.js';
import { MoveTrouble } from './trouble.js';

/** A cancelled task is over on both ends within this. */
const CANCEL_MS = 15_000;
const POLL_MS = 20;

export interface CancelRequest {
  /** Name of the node that was told to begin them; `undefined` where it is no master any more. */
  readonly asked: string | undefined;
  /** Names of the nodes at their other ends. */
  readonly others: readonly string[];
  readonly ids: ReadonlySet<string>;
}

/**
 * Cancels tasks, and waits until both ends have ended their part and taken away what was copied; asked again it finds nothing to do. An end that does not answer
 * has lost its part, or will end it when it hears that the other one is gone.
 * @throws ForgeError Fenced
 */
export async function cancelTasks(request: CancelRequest, tools: Tools): Promise<void> {
  const end = performance.now() + CANCEL_MS;
  while (!(await areOver(request, tools)) && performance.now() < end) await sleep(POLL_MS);
}

async function areOver({ asked, others, ids }: CancelRequest, tools: Tools): Promise<boolean> {
  const { engine, nodes } = tools;
  const own = asked === undefined ? [] : await tasksAmong(ids, asked, tools);
  const open = own.filter(isUnderWay);
  const commands = open.every((task) => engine.mayCancel(task)) ? open.map((task) => engine.cancel(task)) : [];
  if (asked !== undefined) await send(asked, commands, tools);
  const cancelled = new Set(own.filter(({ state }) => state === 'cancelled').map(({ id }) => id));
  const parts = await Promise.all(others.map((name) => isPartOver({ name, ids, cancelled }, tools)));
  const ends = asked === undefined ? others : [asked, ...others];
  const trimming = await Promise.all(ends.map((name) => unlessGone(() => nodes.isTrimming(name))));
  return open.length === 0 && parts.every(Boolean) && !trimming.includes(true);
}

interface Part {
  readonly name: string;
  readonly ids: ReadonlySet<string>;
  readonly cancelled: ReadonlySet<string>;
}

async function isPartOver({ name, ids, cancelled }: Part, tools: Tools): Promise<boolean> {
  const parts = await tasksAmong(ids, name, tools);
  const clearing = parts
    .map((task) => tools.engine.clear(task, { cancelled: cancelled.has(task.id) }))
    .filter((command) => command !== null);
  await send(name, clearing, tools);
  return clearing.length === 0 && !parts.some(isUnderWay);
}

async function tasksAmong(ids: ReadonlySet<string>, name: string, { nodes }: Tools): Promise<AtomicTask[]> {
  return ((await unlessGone(() => nodes.tasks(name))) ?? []).filter(({ id }) => ids.has(id));
}

/** One command that ends them all is sent once. */
async function send(name: string, commands: readonly Command[], { nodes }: Tools): Promise<void> {
  const once = [...new Map(commands.map((command) => [command.join(' '), command])).values()];
  if (once.length > 0) await unlessGone(() => nodes.ask(name, once));
}

/** `null` where a node has been silent for long: whoever ends something goes on with the others. @throws ForgeError Fenced */
export async function unlessGone<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof MoveTrouble) return null;
    throw error;
  }
}
