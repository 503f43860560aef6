import type { OperationInput, OperationReport } from '../domain/operation.js';
import { runOperation } from './operation.js';
import { reachShape } from './reach-shape.js';

/** Nodes come, nodes leave, and slots with them, as the spec says that it was started with. */
export async function scaleClusterWorkflow(input: OperationInput): Promise<OperationReport> {
  return runOperation(reachShape('scale'), input);
}
