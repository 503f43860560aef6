import { type AtomicTask, isUnderWay } from './atomic-tasks.js';

export interface NodeTasks {
  readonly node: string;
  readonly engine: 'redis' | 'valkey';
  readonly tasks: readonly AtomicTask[];
}

export interface Settling {
  /** By the node that is told, and the task's ID. */
  readonly cancel: readonly { readonly node: string; readonly task: string; readonly why: string }[];
  /** What is waited for, in words. */
  readonly waitFor: readonly string[];
}

/** Stages of an import before any data has come (Redis 8.6, cluster_asm.c). */
const NOTHING_YET: ReadonlySet<string> = new Set([
  'none',
  'connecting',
  'auth-reply',
  'send-handshake',
  'handshake-reply',
  'send-syncslots',
  'syncslots-reply',
  'init-rdbchannel',
]);

/**
 * What runs well is let come to its end: a task is atomic, so that is the way forward. What has failed and is begun again for ever is cancelled where it is begun, at
 * its target; what a source still keeps of one whose target has forgotten it is cancelled there, as no other slot command is taken until then.
 */
export function settleTasks(nodes: readonly NodeTasks[]): Settling {
  const imports = new Set(
    nodes.flatMap(({ tasks }) =>
      tasks.filter((task) => task.side === 'import' && isUnderWay(task)).map(({ id }) => id),
    ),
  );
  const all = nodes.flatMap(({ node, engine, tasks }) => tasks.map((task) => ({ node, engine, task })));
  const cancel = all
    .filter(
      ({ engine, task }) => engine === 'redis' && (isFailing(task) || (isLeftOver(task) && !imports.has(task.id))),
    )
    .map(({ node, task }) => ({ node, task: task.id, why: task.error || task.stage }));
  const cancelled = new Set(cancel.map(({ task }) => task));
  const waitFor = all
    .filter(({ task }) => isUnderWay(task) && !cancelled.has(task.id))
    .map(({ node, task }) => `${node}: ${task.side} ${task.id.slice(0, 8)} is at ${task.stage}`);
  return { cancel, waitFor };
}

/** It failed, and is about to be begun again, or has been and got nowhere. */
function isFailing({ side, state, retries, stage }: AtomicTask): boolean {
  if (side !== 'import') return false;
  return state === 'retrying' || (state === 'running' && retries > 0 && NOTHING_YET.has(stage));
}

/** A source waits for its target to begin it again. In Valkey what failed is history. */
function isLeftOver({ side, state }: AtomicTask): boolean {
  return side === 'export' && state === 'failed';
}
