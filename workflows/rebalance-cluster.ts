import type { OperationInput, OperationReport } from '../domain/operation.js';
import { runOperation } from './operation.js';
import { reachShape } from './reach-shape.js';

/** Moves the fewest slots for the wanted shares. */
export async function rebalanceClusterWorkflow(input: OperationInput): Promise<OperationReport> {
  return runOperation(reachShape('rebalance'), input);
}
