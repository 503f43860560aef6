import type { OperationInput, OperationReport } from '../domain/operation.js';
import { runOperation } from './operation.js';
import { reachShape } from './reach-shape.js';

/** Moves the slots that a person named to the shards that a person named. */
export async function reshardClusterWorkflow(input: OperationInput): Promise<OperationReport> {
  return runOperation(reachShape('reshard'), input);
}
