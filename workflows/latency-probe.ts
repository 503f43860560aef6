import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';

export interface ProbeInput {
  /** How many activities that do nothing, one after the other. */
  readonly steps: number;
}

export interface ProbeResult {
  /** What one of them costs on this server. */
  readonly msPerStep: number;
}

/** Measures what a step costs; changes nothing. */
export async function latencyProbeWorkflow({ steps }: ProbeInput): Promise<ProbeResult> {
  const { identifyServer } = proxyActivities<Activities>({ startToCloseTimeout: '10s', retry: { maximumAttempts: 3 } });
  const startedAt = Date.now();
  for (let step = 0; step < steps; step += 1) await identifyServer();
  return { msPerStep: (Date.now() - startedAt) / steps };
}
