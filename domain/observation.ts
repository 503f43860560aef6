import type { SlotRange } from './slots.js';

/** One line of one node's CLUSTER NODES. */
export interface ViewEntry {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly busPort: number;
  readonly flags: readonly string[];
  readonly masterId: string | null;
  readonly configEpoch: number;
  readonly link: 'connected' | 'disconnected';
  readonly slots: readonly SlotRange[];
  readonly migrating: readonly OpenSlot[];
  readonly importing: readonly OpenSlot[];
}

export interface OpenSlot {
  readonly slot: number;
  /** The node on the other side of the move. */
  readonly peer: string;
}

interface Asked {
  /** Our name for it, `host:port`; for a node that no spec declares, its address and port. */
  readonly name: string;
  /** The host's name in the spec; its address where there is none. */
  readonly host: string;
  /** `null` where nobody told us: `inspect` has no spec. */
  readonly zone: string | null;
  readonly address: string;
  readonly port: number;
  /** Whether the spec declares it, or it was only found in another node's view. */
  readonly declared: boolean;
}

export interface AnsweringNode extends Asked {
  readonly answered: true;
  readonly id: string;
  readonly engine: 'redis' | 'valkey';
  readonly version: string;
  readonly role: 'master' | 'replica';
  /** What CLUSTER INFO says. */
  readonly clusterState: 'ok' | 'fail';
  readonly currentEpoch: number;
  /** Tasks of the engine's own to move slots to this node that run, or fail and are tried again; 0 where the engine does not say. */
  readonly slotTasks: number;
  readonly view: readonly ViewEntry[];
  readonly keys: number;
  /** Keys of a master in slots that it does not own; absent where nobody looked for them. */
  readonly strayKeys?: StrayKeys;
  readonly usedMemoryBytes: number;
  readonly maxmemoryBytes: number;
  readonly uptimeSeconds: number;
  /** Ourselves included; replicas are not counted. */
  readonly connectedClients: number;
  readonly replication: MasterReplication | ReplicaReplication;
  /** Running settings that were asked for, by their redis.conf names. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whether a client that does not authenticate is let in. */
  readonly openToAnyone: boolean;
}

export interface StrayKeys {
  readonly ranges: readonly SlotRange[];
  readonly keys: number;
  /** Further keys, of which the node does not tell in which slots they are. */
  readonly hidden: number;
}

export interface MasterReplication {
  readonly role: 'master';
  readonly offset: number;
  readonly replicas: readonly {
    readonly address: string;
    readonly port: number;
    readonly state: string;
    readonly offset: number;
  }[];
}

export interface ReplicaReplication {
  readonly role: 'replica';
  readonly masterAddress: string;
  readonly masterPort: number;
  readonly link: 'up' | 'down';
  readonly syncing: boolean;
  /** Bytes of the full sync that have come so far; absent where none is under way. */
  readonly syncedBytes?: number;
  readonly offset: number;
  readonly lastIoSecondsAgo: number;
}

/** Why a node gave no full answer. */
export type Silence =
  | 'connection-refused'
  | 'timeout'
  | 'unreachable'
  | 'wrong-secret'
  | 'loading'
  | 'busy-script'
  | 'not-cluster-mode'
  | 'not-redis'
  | 'error';

export interface SilentNode extends Asked {
  readonly answered: false;
  readonly silence: Silence;
  /** The server's or the system's own words, redacted. */
  readonly detail: string;
}

export type ObservedNode = AnsweringNode | SilentNode;

/** All nodes' views and what each says of itself, with its time. */
export interface Observation {
  /** ISO 8601, of the observer's clock when the last answer was in. */
  readonly asOf: string;
  readonly nodes: readonly ObservedNode[];
}

export function answering(observation: Observation): AnsweringNode[] {
  return observation.nodes.filter((node) => node.answered);
}

/** What a node says of itself: its own line of its own view. */
export function selfOf(node: Pick<AnsweringNode, 'id' | 'view'>): ViewEntry | undefined {
  return node.view.find((entry) => entry.id === node.id);
}
