import { REDIS_LIMITS } from '../../../domain/atomic-pace.js';
import { parseRedisTasks } from '../../../domain/atomic-tasks.js';
import { atomicMover } from './atomic.js';
import type { AtomicEngine } from './atomic-engine.js';

const ID = /^[0-9a-f]{40}$/;

/**
 * CLUSTER MIGRATION of Redis 8.4 and newer. The target is told, and cancelled: where only the source's part ends, the target begins it again a second later, for
 * ever. A source's part that failed waits for that, and is taken away with the task; one that has said its last word keeps its clients from writing until it hears of
 * the new owner, ten seconds long where there will be none.
 */
const engine: AtomicEngine = {
  limits: REDIS_LIMITS,
  asked: 'target',
  askedSide: 'import',
  status: ['CLUSTER', 'MIGRATION', 'STATUS', 'ALL'],
  read: parseRedisTasks,
  begin: ({ ranges }) => ['CLUSTER', 'MIGRATION', 'IMPORT', ...ranges.flat()],
  idIn: (answer) => (typeof answer === 'string' && ID.test(answer) ? answer : null),
  cancel: ({ id }) => ['CLUSTER', 'MIGRATION', 'CANCEL', 'ID', id],
  mayCancel: () => true,
  clear: ({ id, state, side }, { cancelled }) => {
    const left = side === 'export' && (state === 'failed' || (cancelled && state === 'running'));
    return left ? ['CLUSTER', 'MIGRATION', 'CANCEL', 'ID', id] : null;
  },
};

export const redisMover = atomicMover(engine);
