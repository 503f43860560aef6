import { describe, expect, inject, it } from 'vitest';
import { probeWorkflowId } from '../../domain/ids.js';
import type { latencyProbeWorkflow } from '../../workflows/index.js';
import { keepHistory } from '../support/histories.js';
import { withScriptedWorker } from '../support/scripted.js';

const address = inject('temporalAddress');

describe('the probe of what a step costs', () => {
  it('runs its steps one after the other, some before the measured ones, and says what one of them took', async () => {
    const taskQueue = `probe-${process.pid}`;
    let asked = 0;
    const script = { identifyServer: () => Promise.resolve({ server: `${++asked}` }) };
    const { msPerStep } = await withScriptedWorker({ address, taskQueue, script }, async (client) => {
      const handle = await client.workflow.start<typeof latencyProbeWorkflow>('latencyProbeWorkflow', {
        workflowId: probeWorkflowId(taskQueue),
        taskQueue,
        args: [{ before: 2, steps: 4 }],
      });
      const result = await handle.result();
      await keepHistory(handle, 'latencyProbeWorkflow');
      return result;
    });
    expect(asked).toBe(6);
    expect(msPerStep).toBeGreaterThan(0);
  });
});
