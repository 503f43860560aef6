import type { Capabilities } from '../../../domain/capabilities.js';
import type { SlotRange } from '../../../domain/slots.js';
import type { MovesSpec } from '../../../domain/spec.js';
import type { Command, Credentials, Reply } from '../connection.js';
import type { Row } from '../open-nodes.js';

/** A master at work in a move, as it is now. */
export interface MovingMaster {
  readonly name: string;
  readonly id: string;
  /** Where the other nodes reach it. */
  readonly address: string;
  readonly port: number;
  readonly capabilities: Capabilities;
}

/** What goes from one master to another; no slot is in two of them, and each is owned by `from` now, or is half way to `to`. */
export interface Transfer {
  readonly from: MovingMaster;
  readonly to: MovingMaster;
  readonly ranges: readonly SlotRange[];
  /** IDs of all that were seen in the target's shard: slots that are open towards one of them are on their way to it. Itself alone where nothing is said. */
  readonly mates?: ReadonlySet<string>;
}

/** The nodes as the attempt's fence user; a lost connection is opened again. */
export interface MovingNodes {
  /** Of the fence user, which both ends of a move have. */
  readonly credentials: Credentials;
  /** Sends commands to one node in one round trip. @throws NodeSilent; ForgeError Fenced where a newer attempt is at work */
  send(node: string, commands: readonly Command[]): Promise<Reply[]>;
  /** As `send`, with a Buffer for every text of the replies. */
  sendBytes(node: string, commands: readonly Command[]): Promise<Reply[]>;
  /** As `send`, over a connection of its own, by a name of the caller's: what waits for answers on the others is not waited for. */
  sendAside(aside: string, node: string, commands: readonly Command[]): Promise<Reply[]>;
  /** As `sendBytes`, for what takes longer than a node may otherwise take. */
  sendPatiently(node: string, commands: readonly Command[], timeoutMs: number): Promise<Reply[]>;
  /** As `sendBytes`, over several connections at once; rows keep the order of their commands. */
  sendRows(request: {
    readonly name: string;
    readonly rows: readonly Row[];
    readonly ways: number;
  }): Promise<Reply[][]>;
}

export interface MoveWork {
  readonly transfers: readonly Transfer[];
  readonly nodes: MovingNodes;
  /** Names of the masters that are no part of a transfer: they are told of new owners, too. */
  readonly otherMasters: readonly string[];
  /** Names of all nodes that answer, replicas too. */
  readonly members: readonly string[];
  readonly rules: MovesSpec;
  /** What the nodes run with: as long as that nobody may be kept from answering. */
  readonly nodeTimeoutMs: number;
  /** When to stop at the next safe point: the time by `performance.now()`, or the signal, whichever comes first. */
  readonly until: number;
  readonly signal: AbortSignal;
  /** Told what has been moved so far by this work, several times a second. */
  readonly progress: (tally: MoveTally) => void;
  /** Told a line that the report has to have, beside what has moved. */
  readonly note: (line: string) => void;
}

export interface MoveTally {
  readonly slots: number;
  readonly keys: number;
  readonly bytes: number;
  /** Of a probe's round trips to the nodes at work; `null` before the first. */
  readonly p99Ms: number | null;
}

/**
 * Moves slots between masters. It looks before it acts, so that it goes on from whatever another one left; when it returns, by time or by signal or because all is
 * done, no slot is open by its doing. What is done is told by the owners, not by the tally.
 */
export interface SlotMover {
  /** @throws MoveTrouble where somebody refuses or does not answer; a slot may be open then, and is gone on with by the next move; ForgeError Fenced */
  move(work: MoveWork): Promise<MoveTally>;
}
