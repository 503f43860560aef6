import type { OperationInput, OperationReport } from '../domain/operation.js';
import { runOperation } from './operation.js';
import { reachShape } from './reach-shape.js';

/** Mends what operations, people and failures left half done, and nothing else. */
export async function repairClusterWorkflow(input: OperationInput): Promise<OperationReport> {
  return runOperation(reachShape('repair'), input);
}
