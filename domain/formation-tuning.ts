import type { AnsweringNode } from './observation.js';

/**
 * Settings while a cluster is formed, at run time only, never in a file. A master that was in a minority waits min(node timeout, 5 s), at least
 * 0.5 s, before it serves; a master waits repl-diskless-sync-delay before it feeds its first replica (mechanics 7.1).
 */
export const FORMATION_TUNING: Readonly<Record<string, string>> = {
  'cluster-node-timeout': '500',
  'repl-diskless-sync-delay': '0',
};

/** The tuned settings that a node still runs with although others are wanted: a formation was killed before it took them back. */
export function tuningLeft(
  node: Pick<AnsweringNode, 'settings'>,
  wanted: Readonly<Record<string, string>>,
): { readonly setting: string; readonly wanted: string; readonly running: string }[] {
  return Object.entries(FORMATION_TUNING).flatMap(([setting, tuned]) => {
    const real = wanted[setting];
    if (real === undefined || real === tuned || node.settings[setting] !== tuned) return [];
    return [{ setting, wanted: real, running: tuned }];
  });
}
