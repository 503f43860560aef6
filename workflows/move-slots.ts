import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import { nextBatchMs, type Pace } from '../domain/move-pace.js';
import { moveTotals } from '../domain/move-totals.js';
import { describeStep, type Step } from '../domain/plan.js';
import type { MovedSlots } from '../domain/reshape-steps.js';
import type { MoveProgress } from '../domain/slot-moves.js';
import { slotsOf } from '../domain/slot-repairs.js';
import type { StepResult } from '../domain/steps.js';
import type { Operation, StepAddress } from './operation.js';
import { StopRequested } from './stop-requested.js';

type MoveStep = Extract<Step, { kind: 'moveSlots' }>;

/**
 * Batch after batch until every slot is at its place; between two of them nothing is open. Each batch looks at the nodes: none needs to know what another did. A
 * pause and a request to stop interrupt the batch that runs: it closes what it has open, and says how far it got.
 */
export async function moveSlots(operation: Operation, step: MoveStep, address: StepAddress): Promise<StepResult> {
  const batches: MoveProgress[] = [];
  const effects: string[] = [];
  let last: Pace['last'] = null;
  for (let batch = 1; ; batch += 1) {
    await stopHere(operation, effects);
    const budgetMs = nextBatchMs({ batchMs: operation.input.spec.timings.moveBatchMs, last });
    const token = { ...address, step: `${step.id}/${batch}`, attempt: 0 };
    const { effects: done, progress } = await runBatch(operation, { step, budgetMs, token });
    effects.push(...done);
    const slots: number = batches.length === 0 ? progress.slotsDone : (last?.slotsLeft ?? 0) - progress.slotsLeft;
    last = { budgetMs, tookMs: progress.tookMs, slots: Math.max(0, slots), slotsLeft: progress.slotsLeft };
    batches.push(progress);
    operation.logbook.moved(step, moveTotals(batches));
    if (progress.slotsLeft === 0) return { effects };
  }
}

/** A safe point inside the step: what it has done until here stays in its record. */
async function stopHere(operation: Operation, effects: readonly string[]): Promise<void> {
  try {
    await operation.checkpoint();
  } catch (error) {
    throw error instanceof StopRequested ? new StopRequested(effects) : error;
  }
}

interface Batch {
  readonly step: MoveStep;
  readonly budgetMs: number;
  readonly token: StepAddress & { readonly attempt: number };
}

async function runBatch(operation: Operation, { step, budgetMs, token }: Batch): Promise<MovedSlots> {
  const { spec } = operation.input;
  const run = (name: string, budget: number): Promise<MovedSlots> =>
    operation.activities.move.moveSlots.executeWithOptions({ summary: describeStep(step) }, [
      { spec, moves: step.moves, budgetMs: budget, token: { ...token, step: name } },
    ]);
  try {
    return await interruptible(operation, () => run(token.step, budgetMs));
  } catch (error) {
    if (!isCancellation(error)) throw error;
    // Its worker died before it could close what it had open: another one does, and then says how far things are.
    const repairs = slotsOf(step);
    const mended = await operation.activities.move.repairSlots.executeWithOptions(
      { summary: 'close what an interrupted batch left open' },
      [{ spec, repairs, token: { ...token, step: `${token.step}/close` } }],
    );
    const counted = await run(`${token.step}/count`, 0);
    return { ...counted, effects: [...mended.effects, ...counted.effects] };
  }
}

async function interruptible<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
  const batch = new CancellationScope();
  const watch = new CancellationScope();
  const watching = watch
    .run(() => condition(() => operation.interrupted))
    .then(() => batch.cancel())
    .catch((error: unknown) => {
      if (!isCancellation(error)) throw error;
    });
  try {
    return await batch.run(work);
  } finally {
    watch.cancel();
    await watching;
  }
}
