import { setHandler } from '@temporalio/workflow';
import type { PauseRequest } from '../domain/operation.js';
import { failure } from './failures.js';
import { type Logbook, now } from './logbook.js';
import { pauseUpdate, resumeUpdate } from './messages.js';

/**
 * Lets people hold the operation between its steps, and let it go on. The validators are synchronous: one that returned a rejected promise would
 * wedge the run.
 */
export function acceptPauses(logbook: Logbook): void {
  setHandler(
    pauseUpdate,
    ({ actor, reason = '' }) => {
      logbook.pause({ actor, reason, since: now() });
      return logbook.progress();
    },
    {
      validator: (request: Partial<PauseRequest>) => {
        refuseUnnamed(request);
        refusePause(logbook);
      },
      description: 'Stop before the next step and wait: {actor, reason}.',
    },
  );
  setHandler(
    resumeUpdate,
    ({ actor }) => {
      logbook.endPause(actor);
      return logbook.progress();
    },
    {
      validator: (request: Partial<PauseRequest>) => {
        refuseUnnamed(request);
        refuseResume(logbook);
      },
      description: 'Go on after a pause: {actor}.',
    },
  );
}

/** Anybody with a Temporal client can send these; the record has to say who it was. */
function refuseUnnamed({ actor, reason = '' }: Partial<PauseRequest>): void {
  if (typeof actor === 'string' && actor !== '' && typeof reason === 'string') return;
  throw failure('Refused', {
    what: 'The request does not say who asks.',
    left: 'The operation goes on as before.',
    next: 'Send {"actor": "your name"}, to pause also "reason".',
  });
}

function refusePause(logbook: Logbook): void {
  const { cluster, operation, phase, paused } = logbook.progress();
  if (paused !== undefined) {
    throw failure('Refused', {
      what: `The ${operation} of ${cluster} is paused already: by ${paused.actor} since ${paused.since}, because: ${paused.reason || 'no reason given'}.`,
      left: 'It stays paused.',
      next: `Let it go on with \`redisforge ops resume ${cluster}\`.`,
    });
  }
  if (!logbook.closed && phase !== 'proof' && phase !== 'report') return;
  throw failure('Refused', {
    what: `The ${operation} of ${cluster} has no step left to stop before (phase: ${phase}).`,
    left: 'It goes on to its end.',
    next: `Follow it with \`redisforge ops watch ${cluster}\`.`,
  });
}

function refuseResume(logbook: Logbook): void {
  const { cluster, operation, phase, paused } = logbook.progress();
  if (paused !== undefined) return;
  throw failure('Refused', {
    what: `The ${operation} of ${cluster} is not paused (phase: ${phase}).`,
    left: 'It goes on as before.',
    next: `Follow it with \`redisforge ops watch ${cluster}\`.`,
  });
}
