import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type * as Log from '../../workers/log.js';
import type * as Run from '../../workers/run.js';

// The product's own worker, as it was built, with one more wrap around its activities: at the n-th call of one of them it is gone, as with
// kill -9 by somebody else, before the effect or after it and before anybody is told; or it is stopped right before the effect, until somebody wakes it.
const [when, activity, call] = process.argv.slice(2);
const built = (path: string) => new URL(`../../dist/workers/${path}`, import.meta.url).href;
const { runWorker } = (await import(built('run.js'))) as typeof Run;
const { createLog } = (await import(built('log.js'))) as typeof Log;

let calls = 0;
const failpoint: ActivityInterceptorsFactory = ({ info }) => ({
  inbound: {
    async execute(input, next) {
      const hit = info.activityType === activity && ++calls === Number(call);
      if (hit && when === 'before') process.kill(process.pid, 'SIGKILL');
      if (hit && when === 'stopped') process.kill(process.pid, 'SIGSTOP');
      const result = await next(input);
      if (hit && when === 'after') process.kill(process.pid, 'SIGKILL');
      return result;
    },
  },
});

await runWorker({ env: process.env, log: createLog('json', 'info'), interceptors: [failpoint] });
