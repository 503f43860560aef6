import { VALKEY_LIMITS } from '../../../domain/atomic-pace.js';
import { parseValkeyTasks } from '../../../domain/atomic-tasks.js';
import { atomicMover } from './atomic.js';
import type { AtomicEngine } from './atomic-engine.js';

/** From here on the target may own the slots any moment, and the source, were it let go, would take writes that are lost. */
const HANDING_OVER: ReadonlySet<string> = new Set(['failover-paused', 'failover-granted']);

/**
 * CLUSTER MIGRATESLOTS of Valkey 9.0 and newer. The source is told, and its cancelling ends all of its exports; all of them are ours. A job that failed stays
 * so, and is begun anew.
 */
const engine: AtomicEngine = {
  limits: VALKEY_LIMITS,
  asked: 'source',
  askedSide: 'export',
  status: ['CLUSTER', 'GETSLOTMIGRATIONS'],
  read: parseValkeyTasks,
  begin: ({ ranges, targetId }) => ['CLUSTER', 'MIGRATESLOTS', 'SLOTSRANGE', ...ranges.flat(), 'NODE', targetId],
  idIn: () => null,
  cancel: () => ['CLUSTER', 'CANCELSLOTMIGRATIONS'],
  mayCancel: ({ stage }) => !HANDING_OVER.has(stage),
  clear: () => null,
};

export const valkeyMover = atomicMover(engine);
