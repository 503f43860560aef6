import type { OperationInput, OperationReport } from '../domain/operation.js';
import { runOperation } from './operation.js';
import { reachShape } from './reach-shape.js';

/** New nodes take the places of those on a host that is gone; the old ones are forgotten everywhere. */
export async function replaceHostWorkflow(input: OperationInput): Promise<OperationReport> {
  return runOperation(reachShape('replace'), input);
}
