import { patched } from '@temporalio/workflow';
import { describeStep, type Step } from '../domain/plan.js';
import { strayReplicas } from '../domain/strays.js';
import type { Verdict } from '../domain/verdict.js';
import type { Operation } from './operation.js';

/** Where a master that was killed in the middle came back without slots and follows nobody, it is told whom to follow. Tells whether there was one. */
export async function followStrays(operation: Operation, seen: Verdict): Promise<boolean> {
  const { spec } = operation.input;
  const strays = strayReplicas(spec, seen);
  if (strays.length === 0 || !patched('follow-strays')) return false;
  for (const { node, of } of strays) {
    const why = 'it came back without slots';
    const step: Step = { kind: 'attachReplica', id: `attachReplica/${node}/back`, node, of, why };
    operation.logbook.expectMore(step);
    const summary = describeStep(step);
    await operation.step(step, (address) =>
      operation.activities.settle.attachReplica.executeWithOptions({ summary }, [
        { spec, node, of, token: { ...address, attempt: 0 } },
      ]),
    );
  }
  return true;
}
