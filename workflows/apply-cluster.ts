import type { OperationInput, OperationReport } from '../domain/operation.js';
import { runOperation } from './operation.js';
import { reachShape } from './reach-shape.js';

/** Brings the cluster that the spec declares into being, or finds that it is there. */
export async function applyClusterWorkflow(input: OperationInput): Promise<OperationReport> {
  return runOperation(reachShape('apply'), input);
}
