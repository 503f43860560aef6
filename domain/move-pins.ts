import type { AnsweringNode } from './observation.js';

/** Whether Redis moves a replica by itself to a master that has none. */
export const REPLICA_MIGRATION = 'cluster-allow-replica-migration';

/** Whether a node is still kept from moving replicas by itself although the spec lets it: an operation died before it let go. */
export function pinLeft(
  { settings }: Pick<AnsweringNode, 'settings'>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return wanted[REPLICA_MIGRATION] === 'yes' && settings[REPLICA_MIGRATION] === 'no';
}
