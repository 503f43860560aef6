import type { ApplyWorld } from './apply-world.js';
import type { Members } from './cluster-members.js';
import { repairSteps } from './reshape-common.js';
import type { Reshape } from './reshape.js';

/** No half state left, and nothing else. */
export function planRepair(world: ApplyWorld, _cluster: Members): Reshape {
  return { steps: repairSteps(world), refusals: [], notes: [] };
}
