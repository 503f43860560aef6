import { wantedSettings } from '../../../config/settings.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import type { FormingNodes } from '../forming-nodes.js';
import { takeSettingsBack, tune } from '../tuning.js';
import type { Settled } from './rounds.js';

/** A master waits so long before it feeds its first replica; the other setting of a formation must not be touched on a cluster that serves. */
const DELAY = 'repl-diskless-sync-delay';

export interface QuickSync {
  readonly nodes: FormingNodes;
  readonly spec: ClusterSpec;
  /** Names of the masters that are to feed new replicas; none where nothing is to be done. */
  readonly masters: readonly string[];
  /** Names of all nodes: one of them may still have what a killed attempt left. */
  readonly names: readonly string[];
}

/**
 * Lets masters feed new replicas at once while `work` goes on, at run time only, and takes that back, also where it fails; a crash in the middle is found as
 * what a formation leaves.
 * @throws ForgeError those of `work`; NodeUnreachable, NodeAuthFailed; NotReached where a node keeps the low value
 */
export async function syncingQuickly(
  { nodes, spec, masters, names }: QuickSync,
  work: () => Promise<Settled>,
): Promise<Settled> {
  const wanted = wantedSettings(spec);
  let settled: Settled;
  try {
    await tune({ nodes, names: masters, wanted, only: [DELAY] });
    settled = await work();
  } catch (error) {
    await takeSettingsBack({ nodes, names, wanted }).catch(() => undefined);
    throw error;
  }
  const takenBack = await takeSettingsBack({ nodes, names, wanted });
  // What this attempt itself has set for a moment is nothing that it did.
  return masters.length > 0 ? settled : { ...settled, effects: [...settled.effects, ...takenBack] };
}
