import type { AnsweringNode } from './observation.js';

/**
 * Settings while a cluster is formed, at run time only, never in a file. A master that was in a minority waits min(node timeout, 5 s), at least
 * 0.5 s, before it serves; a master waits repl-diskless-sync-delay before it feeds its first replica (mechanics 7.1).
 */
export const FORMATION_TUNING: Readonly<Record<string, string>> = {
  'cluster-node-timeout': '500',
  'repl-diskless-sync-delay': '0',
};

/**
 * What keeps a stand-in (domain/formation-roles.ts) from taking a write, and tells it from a master: no master ever has so many replicas. At run time
 * only, as the tuning; it goes when the formation is done.
 */
export const STAND_IN_HOLD = { setting: 'min-replicas-to-write', value: '1000000' } as const;

/** All that a formation sets at run time and takes back. */
export const FORMATION_SETTINGS: Readonly<Record<string, string>> = {
  ...FORMATION_TUNING,
  [STAND_IN_HOLD.setting]: STAND_IN_HOLD.value,
};

/** Whether the node is kept from taking writes, as a stand-in. */
export function isHeld({ settings }: Pick<AnsweringNode, 'settings'>): boolean {
  return settings[STAND_IN_HOLD.setting] === STAND_IN_HOLD.value;
}

/** The settings of a formation that a node still runs with although others are wanted: it was killed before it took them back. */
export function tuningLeft(
  node: Pick<AnsweringNode, 'settings'>,
  wanted: Readonly<Record<string, string>>,
): { readonly setting: string; readonly wanted: string; readonly running: string }[] {
  return Object.entries(FORMATION_SETTINGS).flatMap(([setting, tuned]) => {
    const real = wanted[setting];
    if (real === undefined || real === tuned || node.settings[setting] !== tuned) return [];
    return [{ setting, wanted: real, running: tuned }];
  });
}
