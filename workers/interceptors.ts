import type { Context as ActivityContext } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInterceptorsFactory } from '@temporalio/worker';
import { pulse } from '../activities/heartbeat.js';
import { FAILURES, ForgeError } from '../domain/errors.js';
import { READ_TRIES, READS } from '../domain/reads.js';
import type { StepToken } from '../domain/survey.js';

/** The seam around every activity, in the order in which they wrap it. */
export const activityInterceptors: readonly ActivityInterceptorsFactory[] = [
  namedFailures,
  heartbeats,
  attemptAndRunInToken,
];

/** A ForgeError crosses to the workflow by its name, with its text, and says itself whether trying again can help. */
function namedFailures(context: ActivityContext): ReturnType<ActivityInterceptorsFactory> {
  return {
    inbound: {
      async execute(input, next) {
        try {
          return await next(input);
        } catch (error) {
          if (!(error instanceof ForgeError)) throw error;
          context.log.warn(error.message, { failure: error.type });
          const { retry } = FAILURES[error.type];
          throw ApplicationFailure.create({
            message: error.message,
            type: error.type,
            nonRetryable: !retry || isLastTry(context.info),
            details: error.done === undefined ? [error.text] : [error.text, error.done],
          });
        }
      },
    },
  };
}

function isLastTry({ activityType, attempt }: ActivityContext['info']): boolean {
  return READS.some((read) => read === activityType) && attempt >= READ_TRIES;
}

/**
 * Tells the server that this worker lives while an activity runs. It does not vouch for the activity's progress: every remote command and
 * every wait inside has a deadline of its own.
 */
function heartbeats(context: ActivityContext): ReturnType<ActivityInterceptorsFactory> {
  return {
    inbound: {
      async execute(input, next) {
        const timeoutMs = context.info.heartbeatTimeoutMs;
        if (timeoutMs === undefined) return next(input);
        const beating = setInterval(() => pulse(context), timeoutMs / 3);
        try {
          return await next(input);
        } finally {
          clearInterval(beating);
        }
      },
    },
  };
}

/** A workflow names generation and step; which attempt this is, and of which run after a reset, only the worker knows. */
function attemptAndRunInToken(context: ActivityContext): ReturnType<ActivityInterceptorsFactory> {
  return {
    inbound: {
      async execute(input, next) {
        const { attempt, workflowExecution } = context.info;
        const known = { attempt, ...(workflowExecution === undefined ? {} : { run: workflowExecution.runId }) };
        return next({ ...input, args: input.args.map((arg) => withToken(arg, known)) });
      },
    },
  };
}

function withToken(arg: ActivityExecuteInput['args'][number], known: Pick<StepToken, 'attempt' | 'run'>): unknown {
  if (typeof arg !== 'object' || arg === null || !('token' in arg)) return arg;
  return { ...arg, token: { ...(arg.token as object), ...known } };
}
