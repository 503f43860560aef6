export { applyClusterWorkflow } from './apply-cluster.js';
export { clusterQueueWorkflow } from './cluster-queue.js';
export { latencyProbeWorkflow } from './latency-probe.js';
export { destroyClusterWorkflow } from './destroy-cluster.js';
