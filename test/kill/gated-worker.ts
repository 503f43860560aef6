import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type * as Log from '../../workers/log.js';
import type * as Run from '../../workers/run.js';
import type { Gate, Passed } from './gates.js';

// The product's own worker, as it was built, with a gate before and after the effect of every activity, where the kill matrix stops it,
// looks, and lets it pass or kills it.
const built = (path: string) => new URL(`../../dist/workers/${path}`, import.meta.url).href;
const { runWorker } = (await import(built('run.js'))) as typeof Run;
const { createLog } = (await import(built('log.js'))) as typeof Log;

const standing = new Map<number, () => void>();
let gates = 0;

process.on('message', ({ gate }: Passed) => {
  standing.get(gate)?.();
  standing.delete(gate);
});

function stand(at: Omit<Gate, 'gate'>): Promise<void> {
  return new Promise((pass) => {
    const gate = ++gates;
    standing.set(gate, pass);
    process.send?.({ gate, ...at } satisfies Gate);
  });
}

function hostOf(request: unknown): { host?: string } {
  if (typeof request !== 'object' || request === null || !('host' in request)) return {};
  return typeof request.host === 'string' ? { host: request.host } : {};
}

const gated: ActivityInterceptorsFactory = ({ info }) => ({
  inbound: {
    async execute(input, next) {
      const { activityType: activity, activityId, attempt } = info;
      const at = { activity, activityId, attempt, ...hostOf(input.args[0]) };
      await stand({ moment: 'before', ...at });
      try {
        const result = await next(input);
        await stand({ moment: 'after', ...at });
        return result;
      } catch (error) {
        await stand({ moment: 'failed', ...at });
        throw error;
      }
    },
  },
});

await runWorker({ env: process.env, log: createLog('json', 'info'), interceptors: [gated] });
