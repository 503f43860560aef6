export { applyClusterWorkflow } from './apply-cluster.js';
export { destroyClusterWorkflow } from './destroy-cluster.js';
