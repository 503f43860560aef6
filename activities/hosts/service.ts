import { nodeName } from '../../domain/nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { NodeStep, StepResult } from '../../domain/steps.js';
import { effectsOf } from './answer.js';
import { type HostAdapters, hostOf, orderHost } from './ask-host.js';

/** How a node is kept running. Its state is part of the survey. */
interface ServiceManager {
  /** Starts the node where it does not run, and waits until it listens on its port and its bus port. */
  start(step: NodeStep): Promise<StepResult>;
  /** Ends the node in order where it runs, and waits until it has ended. */
  stop(step: NodeStep): Promise<StepResult>;
}

function serviceManager(adapters: HostAdapters, { service }: ClusterSpec): ServiceManager {
  switch (service.method) {
    case 'process':
      return processService(adapters);
    default:
      return service.method satisfies never;
  }
}

/**
 * A detached process with a supervisor that notes how it ended. It never starts a node again by itself: a master that lost its data and comes
 * back empty makes its replicas empty too, so a start is always somebody's decision.
 */
function processService(adapters: HostAdapters): ServiceManager {
  return {
    async start(step) {
      const { spec, port } = step;
      const { address } = hostOf(spec, step.host);
      const { startMs } = spec.timings;
      const answer = await orderHost(adapters, {
        ...step,
        purpose: `start of ${nodeName(step.host, port)}`,
        words: ['node', 'start', `${port}`, address, `${spec.redis.nofile}`, `${startMs}`],
        waitMs: startMs,
      });
      return { effects: effectsOf(answer, step.host) };
    },

    async stop(step) {
      const { port, spec } = step;
      // A node that stops may have to write its data first, as one that starts may have to read it.
      const waitMs = spec.timings.startMs;
      const answer = await orderHost(adapters, {
        ...step,
        purpose: `stop of ${nodeName(step.host, port)}`,
        words: ['node', 'stop', `${port}`, `${waitMs}`],
        waitMs,
      });
      return { effects: effectsOf(answer, step.host) };
    },
  };
}

/**
 * Starts a node and waits until it listens; one that runs is only waited for. Throws ForgeError NodeWontStart with the end of its log, or with
 * the program that holds its port; NotReached where it runs and does not listen in `timings.startMs`.
 */
export function startNode(adapters: HostAdapters, step: NodeStep): Promise<StepResult> {
  return serviceManager(adapters, step.spec).start(step);
}

/** Stops a node and waits until it has ended; one that does not run is left as it is. Never kills: throws ForgeError NotReached instead. */
export function stopNode(adapters: HostAdapters, step: NodeStep): Promise<StepResult> {
  return serviceManager(adapters, step.spec).stop(step);
}
