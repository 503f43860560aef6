import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import * as workflows from '../../workflows/index.js';
import { recordedHistories } from '../support/histories.js';
import { workflowBundle } from '../support/scripted.js';

const recorded = await recordedHistories();

describe('recorded histories', () => {
  it.each(Object.keys(workflows))('there is at least one of %s', (workflowType) => {
    expect(recorded.map((one) => one.workflowType)).toContain(workflowType);
  });

  it.each(recorded)('$file replays with the workflows of the tree', async ({ history, file }) => {
    await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, file);
  });

  it('would not replay with steps in another order', async () => {
    const { history } = recorded.find(({ file }) => file.includes('raises-the-generation')) ?? { history: undefined };
    const swapped = JSON.parse(JSON.stringify(history).replaceAll('"takeLease"', '"startNode"')) as unknown;
    await expect(
      Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, swapped, 'swapped'),
    ).rejects.toThrow(/[Nn]ondeterminism|did not match/);
  });
});
