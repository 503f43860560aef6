import { type DeclaredNode, declaredNodes, leavingNodes } from './nodes.js';
import type { ClusterSpec } from './spec.js';

/** What a spec lets us expect beyond a sound structure. Absent for a cluster that is only inspected. */
export interface Expectation {
  readonly nodes: readonly DeclaredNode[];
  /** By name, those of them that are to leave: they may be there or not. */
  readonly leaving: Readonly<Record<string, 'drain' | 'lost'>>;
  readonly masters: number;
  readonly replicasPerMaster: number;
  /** Whether the spec accepts by name that a master shares its zone with its replica. */
  readonly sharedZones: boolean;
  readonly engine: 'redis' | 'valkey';
  /** The running version has to begin with these parts. */
  readonly version: string;
  /** Running settings by name, in the form that CONFIG GET prints. */
  readonly settings: Readonly<Record<string, string>>;
}

/** `wantedSettings` is what config/render.ts says of the same spec. */
export function expectationOf(spec: ClusterSpec, wantedSettings: Readonly<Record<string, string>>): Expectation {
  return {
    nodes: declaredNodes(spec),
    leaving: Object.fromEntries(leavingNodes(spec).map(({ name, leaving }) => [name, leaving])),
    masters: spec.shape.masters,
    replicasPerMaster: spec.shape.replicasPerMaster,
    sharedZones: spec.shape.sharedZones !== undefined,
    engine: spec.engine.kind,
    version: spec.engine.version,
    settings: wantedSettings,
  };
}
