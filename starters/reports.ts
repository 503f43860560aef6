import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure, TerminatedFailure } from '@temporalio/common';
import { ForgeError } from '../domain/errors.js';
import { MEMO } from '../domain/ids.js';
import type { OperationReport } from '../domain/operation.js';
import type { applyClusterWorkflow } from '../workflows/index.js';

/** Waits for the end of a run and gives its report, whichever way it ended. */
export async function awaitReport(handle: WorkflowHandle<typeof applyClusterWorkflow>): Promise<OperationReport> {
  try {
    return await handle.result();
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { memo, runId } = await handle.describe();
    const report = memo?.[MEMO.report];
    if (report !== undefined) return report as OperationReport;
    throw endedWithoutReport(handle.workflowId, runId, error);
  }
}

/** A run that was terminated, or timed out, had no chance to clean up or to report. */
function endedWithoutReport(workflowId: string, runId: string, error: WorkflowFailedError): ForgeError {
  const how =
    error.cause instanceof TerminatedFailure
      ? 'was terminated'
      : error.cause instanceof CancelledFailure
        ? 'was cancelled'
        : `ended: ${error.cause?.message ?? error.message}`;
  return new ForgeError('NotReached', {
    what: `Run ${runId} of ${workflowId} ${how} before it could report.`,
    left: 'What its last step was doing may still come to its end on a host.',
    next: 'Run the same command again: it goes on from where things are and takes the hosts over.',
  });
}
