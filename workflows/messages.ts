import { defineQuery } from '@temporalio/workflow';
import type { Progress } from '../domain/operation.js';

/** How far the operation is: small, pure, answered by any worker. */
export const progressQuery = defineQuery<Progress>('progress');
