import type { AnsweringNode } from './observation.js';
import type { SettingChange } from './settings.js';

/**
 * What keeps Redis from moving replicas by itself, and from making a master that has given its last slot away a replica (redis/redis#9223), by the setting that
 * an engine has; the newest first. Before 7.0 there is only the number of replicas that a master has to keep before one of them may move.
 */
const PINS: readonly (readonly [setting: string, pinned: string])[] = [
  ['cluster-allow-replica-migration', 'no'],
  ['cluster-migration-barrier', '1000000'],
];

/** The one setting that pins, with its value: the first one that the spec's engine has a wanted value of. `null` where there is none. */
export function pinOf(
  wanted: Readonly<Record<string, string>>,
): { readonly setting: string; readonly pinned: string; readonly wanted: string } | null {
  for (const [setting, pinned] of PINS) {
    const value = wanted[setting];
    if (value !== undefined) return { setting, pinned, wanted: value };
  }
  return null;
}

/** The pin that a node still has although the spec wants replicas to move: an operation ended before it took it back. */
export function pinLeft(
  node: Pick<AnsweringNode, 'settings'>,
  wanted: Readonly<Record<string, string>>,
): SettingChange | null {
  const pin = pinOf(wanted);
  if (pin === null || pin.wanted === pin.pinned || node.settings[pin.setting] !== pin.pinned) return null;
  return { setting: pin.setting, wanted: pin.wanted, running: pin.pinned };
}
