import type { SlotRange } from '../../domain/slots.js';
import type { Kind } from './model.js';

export interface NodeAddress {
  readonly address: string;
  readonly port: number;
}

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** What the writer's process is told at its start. */
export interface LedgerRequest {
  /** Some nodes of the cluster; clients find the others. */
  readonly nodes: readonly NodeAddress[];
  /** Whom the clients write as. */
  readonly app: Login;
  /** Who looks into each node by itself. */
  readonly admin: Login;
  /** Whose keys are written, over and over; all where nothing is said. */
  readonly slots?: readonly SlotRange[];
  /** Cluster-aware clients; 4 where nothing is said. */
  readonly clients?: number;
  /** Of all clients, at once; 256 where nothing is said. */
  readonly mostInFlight?: number;
  /** No more writes a second than this are begun; 3000 where nothing is said. */
  readonly perSecond?: number;
  /** From then on no key is added; 60 000 where nothing is said. */
  readonly mostKeys?: number;
}

export interface LedgerCounts {
  readonly acknowledged: number;
  readonly errors: number;
  /** Writes whose outcome nobody knows: in flight when their connection or their patience ended. */
  readonly unsure: number;
  /** How many slots are written, and how often the least written one was. */
  readonly slots: number;
  readonly leastWrites: number;
}

/** A write that a client failed at; redirects that it followed are none. */
export interface ClientError {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly command: string;
  readonly key: string;
  readonly slot: number;
  readonly words: string;
}

export type Problem =
  /** An acknowledged write is not there. */
  | 'missing'
  /** An older value than the acknowledged one. */
  | 'lost update'
  /** Deleted, and there. */
  | 'resurrected'
  | 'no TTL'
  | 'a TTL that nobody set'
  | 'wrong TTL'
  /** Gone before its time. */
  | 'gone too early'
  /** A value that nobody wrote. */
  | 'foreign'
  /** On two masters. */
  | 'twice'
  /** On a master that does not own its slot. */
  | 'stray';

/** A key that is not as the acknowledged writes left it. */
export interface Loss {
  readonly problem: Problem;
  readonly key: string;
  readonly slot: number;
  readonly kind: Kind;
  readonly expected: string;
  readonly found: string;
  /** When the first of the writes that are lost was acknowledged, milliseconds since 1970; `null` where none is lost. */
  readonly ackedAt: number | null;
}

export interface Latency {
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** All that was written, and how it was found. */
export interface LedgerVerdict extends LedgerCounts {
  readonly perSecond: number;
  readonly seconds: number;
  readonly latency: Latency;
  readonly byKind: Readonly<Record<Kind, number>>;
  /** Keys that were read back through the cluster. */
  readonly keysRead: number;
  /** Keys of the ledger that were found on the masters, by address and port. */
  readonly keysOn: Readonly<Record<string, number>>;
  /** The first ones, and how many there are of each wording. */
  readonly errorSamples: readonly ClientError[];
  readonly errorWords: Readonly<Record<string, number>>;
  /** Of all of them; `null` where there is none. */
  readonly lastError: ClientError | null;
  readonly losses: readonly Loss[];
}

export interface VerifyRequest {
  /** Nodes to begin with, where those of the start may be gone. */
  readonly nodes?: readonly NodeAddress[];
  /** Milliseconds that an expiry may be off; 2000 where nothing is said. */
  readonly ttlTolerance?: number;
}

/** A key of the ledger, for tests of the ledger itself. */
export interface KeySample {
  readonly key: string;
  readonly slot: number;
  readonly kind: Kind;
  /** What it held after its acknowledged writes, the oldest first. */
  readonly held: readonly string[];
}

/** From the test to the writer's process. */
export type Ask =
  | { readonly ask: 'start'; readonly request: LedgerRequest }
  | { readonly ask: 'counts' }
  | { readonly ask: 'pause' }
  | { readonly ask: 'sample' }
  | { readonly ask: 'clear' }
  | { readonly ask: 'verify'; readonly request: VerifyRequest };

export interface Asked {
  readonly id: number;
  readonly ask: Ask;
}

/** Its answer. */
export interface Answer {
  readonly id: number;
  readonly failed?: string;
  readonly value?: unknown;
}
