import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { PauseRequest, Progress } from '../domain/operation.js';

/** How far the operation is: small, pure, answered by any worker. */
export const progressQuery = defineQuery<Progress>('progress');

/** Stop before the next step and wait. Refused where it stands already, or where no step is left to stop before. */
export const pauseUpdate = defineUpdate<Progress, [PauseRequest]>('pause');

/** Go on after a pause. */
export const resumeUpdate = defineUpdate<Progress, [{ readonly actor: string }]>('resume');
