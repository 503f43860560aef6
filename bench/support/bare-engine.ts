import { setTimeout as sleep } from 'node:timers/promises';
import { isUnderWay, parseRedisTasks, parseValkeyTasks } from '../../domain/atomic-tasks.js';
import type { SlotRange } from '../../domain/slots.js';
import type { Command } from '../../activities/redis/connection.js';

const POLL_MS = 10;

/** Nodes that are told by whoever may do everything. */
export interface BareNodes {
  readonly kind: 'redis' | 'valkey';
  pipeline(node: string, commands: readonly Command[]): Promise<unknown[]>;
}

export interface BareMove {
  readonly from: string;
  readonly to: string;
  readonly ranges: readonly SlotRange[];
}

/** What a short script would do with the engine: tell it, and ask every 10 ms until it says that it is done. Gives milliseconds. */
export async function moveBare(cluster: BareNodes, move: BareMove): Promise<number> {
  const startedAt = performance.now();
  const isRedis = cluster.kind === 'redis';
  const asked = isRedis ? move.to : move.from;
  const [id] = await cluster.pipeline(move.to, [['CLUSTER', 'MYID']]);
  const begin: Command = isRedis
    ? ['CLUSTER', 'MIGRATION', 'IMPORT', ...move.ranges.flat()]
    : ['CLUSTER', 'MIGRATESLOTS', 'SLOTSRANGE', ...move.ranges.flat(), 'NODE', String(id)];
  await cluster.pipeline(asked, [begin]);
  const status: Command = isRedis ? ['CLUSTER', 'MIGRATION', 'STATUS', 'ALL'] : ['CLUSTER', 'GETSLOTMIGRATIONS'];
  for (;;) {
    const [answer] = await cluster.pipeline(asked, [status]);
    const [newest, ...others] = isRedis ? parseRedisTasks(answer) : parseValkeyTasks(answer);
    if (![newest, ...others].some((task) => task !== undefined && isUnderWay(task))) {
      if (newest?.state !== 'done') throw new Error(`the bare move ended ${newest?.state}: ${newest?.error}`);
      return performance.now() - startedAt;
    }
    await sleep(POLL_MS);
  }
}
