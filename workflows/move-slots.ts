import { nextBatchMs } from '../domain/move-pace.js';
import { describeStep, type Step } from '../domain/plan.js';
import type { MovedSlots } from '../domain/reshape-steps.js';
import type { StepResult } from '../domain/steps.js';
import type { Operation, StepAddress } from './operation.js';

/** Batch after batch until every slot is where it is to be; between two of them nothing is open. Each batch looks at the nodes: none needs to know what another did. */
export async function moveSlots(
  operation: Operation,
  step: Extract<Step, { kind: 'moveSlots' }>,
  address: StepAddress,
): Promise<StepResult> {
  const { spec } = operation.input;
  const effects: string[] = [];
  let last: { slots: number; tookMs: number; slotsLeft: number } | null = null;
  for (let batch = 1; ; batch += 1) {
    const budgetMs = nextBatchMs({ batchMs: spec.timings.moveBatchMs, last });
    const token = { ...address, step: `${step.id}/${batch}`, attempt: 0 };
    const moved: MovedSlots = await operation.activities.move.moveSlots.executeWithOptions(
      { summary: describeStep(step) },
      [{ spec, moves: step.moves, budgetMs, token }],
    );
    effects.push(...moved.effects);
    const { slotsLeft, tookMs } = moved.progress;
    if (slotsLeft === 0) return { effects };
    last = { slots: last === null ? 0 : last.slotsLeft - slotsLeft, tookMs, slotsLeft };
    await operation.checkpoint();
  }
}
