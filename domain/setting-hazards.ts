import type { AnsweringNode } from './observation.js';
import { lowersLimit, type SettingChange } from './settings.js';

/** What a node has in use at the moment, against which its new limits are held. */
export type NodeLoad = Pick<AnsweringNode, 'name' | 'usedMemoryBytes' | 'connectedClients'>;

interface Question {
  readonly change: SettingChange;
  readonly node: NodeLoad;
  /** The maxmemory-policy that the spec wants. */
  readonly policy: string;
}

/** Why a node's limit may not be lowered now, with the numbers; `null` where nothing stands against it. */
export function hazardOf({ change, node, policy }: Question): { readonly what: string; readonly next: string } | null {
  if (!lowersLimit(change)) return null;
  switch (change.setting) {
    case 'maxmemory':
      return policy === 'noeviction' ? memoryHazard(change, node) : null;
    case 'maxclients':
      return clientsHazard(change, node);
    default:
      return null;
  }
}

/** Whether lowering the limit throws keys away at once. */
export function evicts({ change, node, policy }: Question): boolean {
  return change.setting === 'maxmemory' && policy !== 'noeviction' && isAbove(node.usedMemoryBytes, change);
}

function memoryHazard(change: SettingChange, { name, usedMemoryBytes }: NodeLoad) {
  if (!isAbove(usedMemoryBytes, change)) return null;
  return {
    what: `${name} uses ${usedMemoryBytes} bytes of memory, the spec wants maxmemory ${change.wanted} (now ${change.running}) with noeviction: it would refuse every write.`,
    next: 'Raise redis.maxmemory in the spec above what the nodes use, or take data out first.',
  };
}

function clientsHazard(change: SettingChange, { name, connectedClients }: NodeLoad) {
  if (!isAbove(connectedClients, change)) return null;
  return {
    what: `${name} has ${connectedClients} clients connected, the spec wants maxclients ${change.wanted} (now ${change.running}): it would turn new ones away.`,
    next: 'Raise redis.maxclients in the spec above the clients that there are, or let some go first.',
  };
}

function isAbove(inUse: number, change: SettingChange): boolean {
  return lowersLimit(change) && inUse > Number(change.wanted);
}
