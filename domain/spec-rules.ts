import { limitProblems } from './spec-rules-limits.js';
import { serviceProblems } from './spec-rules-service.js';
import { settingProblems } from './spec-rules-settings.js';
import { topologyProblems } from './spec-rules-topology.js';
import type { RuleProblem } from './spec-path.js';
import type { ClusterSpec } from './spec.js';

/** Every combination in the spec that is known to hurt, by the paths at which the values stand in the file. */
export function ruleProblems(spec: ClusterSpec): RuleProblem[] {
  return [...topologyProblems(spec), ...limitProblems(spec), ...settingProblems(spec), ...serviceProblems(spec)];
}
