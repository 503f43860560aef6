import type { FenceDeps } from '../../activities/redis/fence.js';
import type { StepToken } from '../../domain/survey.js';

/** For tests of what is done behind a fence: the first attempt of the first operation. */
export const TOKEN: StepToken = { generation: 1, step: 'a-step', attempt: 1 };

/** Hosts that take every token for the newest. */
export const CONFIRMED: Pick<FenceDeps, 'confirm'> = { confirm: () => Promise.resolve() };
