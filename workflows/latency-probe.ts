import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';

export interface ProbeInput {
  /** Activities before the measured ones: a server with default settings lets a burst of some ten pass quickly. */
  readonly before: number;
  /** How many activities that do nothing, one after the other. */
  readonly steps: number;
}

export interface ProbeResult {
  /** What one of them costs on this server. */
  readonly msPerStep: number;
}

/** Measures what a step costs; changes nothing. */
export async function latencyProbeWorkflow({ before, steps }: ProbeInput): Promise<ProbeResult> {
  const { identifyServer } = proxyActivities<Activities>({ startToCloseTimeout: '10s', retry: { maximumAttempts: 3 } });
  for (let step = 0; step < before; step += 1) await identifyServer();
  const startedAt = Date.now();
  for (let step = 0; step < steps; step += 1) await identifyServer();
  return { msPerStep: (Date.now() - startedAt) / steps };
}
