import { nodeName } from '../../domain/nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { NodeStep, StartChoice, StepResult } from '../../domain/steps.js';
import { type Answer, effectsOf } from './answer.js';
import { type HostAdapters, hostOf, orderHost } from './ask-host.js';

/*
 * How a node is kept running is the host helper's matter: the node's `service` file, which the spec renders, says whether a supervisor of the helper
 * watches it or a unit of systemd. To whoever asks, both start, stop and fail alike.
 */

/**
 * Starts a node and waits until it listens; one that runs is only waited for. Throws ForgeError NodeWontStart with the end of its log, or with
 * the program that holds its port; Refused where the boot guard holds it back; NotReached where it runs and does not listen in `timings.startMs`.
 */
export async function startNode(adapters: HostAdapters, step: NodeStep & StartChoice): Promise<StepResult> {
  const { spec, port } = step;
  const { address } = hostOf(spec, step.host);
  const { startMs } = spec.timings;
  const answer = await orderHost(adapters, {
    ...step,
    purpose: `start of ${nodeName(step.host, port)}`,
    words: [
      ...['node', 'start', `${port}`, address, `${spec.redis.nofile}`, `${startMs}`],
      ...(step.empty === undefined ? [] : ['accept-empty']),
    ],
    waitMs: startMs,
  });
  return { effects: [...effectsOf(answer, step.host), ...limitsOf(answer, spec, step.host)] };
}

/** What the machine did not allow; a container cannot raise limits above its engine's. */
function limitsOf(answer: Answer, { redis }: ClusterSpec, host: string): string[] {
  return answer
    .all('allowed')
    .filter(([, files]) => files !== 'unlimited' && Number(files) < redis.nofile)
    .map(
      ([port = '', files = '']) =>
        `${host}: node ${port} may open ${files} files, ${redis.nofile} were wanted (redis.nofile)`,
    );
}

/** Stops a node and waits until it has ended; one that does not run is left as it is. Never kills: throws ForgeError NotReached instead. */
export async function stopNode(adapters: HostAdapters, step: NodeStep): Promise<StepResult> {
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
}
