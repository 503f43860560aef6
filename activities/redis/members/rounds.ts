import { setTimeout as sleep } from 'node:timers/promises';
import type { Capabilities } from '../../../domain/capabilities.js';
import { type Decision, isSettled } from '../../../domain/decision.js';
import { type FailureType, ForgeError } from '../../../domain/errors.js';
import { answeringOf, type LookedNode } from '../../../domain/members.js';
import type { Refusal } from '../../../domain/plan.js';
import type { Timings } from '../../../domain/spec.js';
import type { Command } from '../connection.js';
import type { FormingNodes } from '../forming-nodes.js';
import type { MembersDeps } from './access.js';

/** After a round of commands the next look comes sooner than `timings.pollMs`: most of them have had their effect by then. */
const AFTER_COMMANDS_MS = 20;

export interface Rounds<Action extends { readonly kind: string; readonly node: string }> {
  readonly nodes: FormingNodes;
  readonly timings: Timings;
  /** What it is that is done, as the beginning of a sentence: `Joining h7:6379`. */
  readonly purpose: string;
  /** What it is called where the time is over, and what a person does then. */
  readonly overdue: { readonly type: FailureType; readonly next: string };
  /** What it is called where nothing was done by then. */
  readonly untouched?: FailureType;
  /** Looks at what `nodes.look` does not see, before a decision. */
  readonly lookFurther?: (nodes: readonly LookedNode[]) => Promise<void>;
  /** Pure; asked with each look. */
  readonly decide: (nodes: readonly LookedNode[], times: Times) => Decision<Action>;
  /** Called before commands are sent. */
  readonly beforeActing?: (actions: readonly Action[]) => Promise<void>;
  /** Kinds of actions that have to be over before the ones after them are sent; a kind that is not named comes last. */
  readonly order: readonly Action['kind'][];
  readonly commandOf: (action: Action, capabilities: Capabilities) => Command;
  /** What is sent right before it, whatever comes of it. */
  readonly leadingTo?: (action: Action) => readonly Command[];
  /** What an action does, for the record. */
  readonly wordsOf: (action: Action) => string;
  /** All that was done, for the record, where that is not a line for each. */
  readonly effectsOf?: (done: readonly Action[]) => readonly string[];
  /** A refusal of a command that is as good as its success. */
  readonly tolerates?: (action: Action, refusal: string) => boolean;
}

/** Milliseconds. */
export interface Times {
  /** Since the work began. */
  readonly elapsed: number;
  /** Since the last commands were sent; `null` before the first. */
  readonly sinceCommand: number | null;
}

/** Before anything was done. */
export const AT_FIRST: Times = { elapsed: 0, sinceCommand: null };

export interface Settled {
  readonly effects: readonly string[];
  /** As they were looked at last. */
  readonly nodes: readonly LookedNode[];
}

/**
 * Looks at all nodes, does what is decided, and looks again, until nothing is left to be done or waited for. Ends where `timings.formMs` have passed without
 * it; a full sync that goes on receiving data is given that time anew.
 * @throws ForgeError Refused where the decision refuses, that of `overdue`, Fenced
 */
export async function inRounds<Action extends { readonly kind: string; readonly node: string }>(
  rounds: Rounds<Action>,
  { signal, progress }: Pick<MembersDeps, 'signal' | 'progress'>,
): Promise<Settled> {
  const work = new Work(rounds);
  for (;;) {
    signal?.throwIfAborted();
    const decision = await work.look();
    if (isSettled(decision)) return work.settled();
    if (work.isOver()) throw work.notReached(decision);
    progress?.(decision.waitingFor.slice(0, 3).join('; '));
    await work.act(decision.actions);
    const pauseMs = decision.actions.length > 0 ? AFTER_COMMANDS_MS : rounds.timings.pollMs;
    await sleep(Math.min(pauseMs, rounds.timings.pollMs), undefined, { signal });
  }
}

class Work<Action extends { readonly kind: string; readonly node: string }> {
  readonly #done: Action[] = [];
  readonly #startedAt = performance.now();
  /** The last refusals of nodes, by what was wanted: said when the deadline has passed. */
  readonly #refused = new Map<string, string>();
  #deadline: number;
  #sentAt: number | null = null;
  #syncedBytes = 0;
  #nodes: readonly LookedNode[] = [];

  constructor(private readonly rounds: Rounds<Action>) {
    this.#deadline = this.#startedAt + rounds.timings.formMs;
  }

  async look(): Promise<Decision<Action>> {
    this.#nodes = await this.rounds.nodes.look();
    const now = performance.now();
    const syncedBytes = bytesInSync(this.#nodes);
    if (syncedBytes > this.#syncedBytes) this.#deadline = now + this.rounds.timings.formMs;
    this.#syncedBytes = syncedBytes;
    await this.rounds.lookFurther?.(this.#nodes);
    const sinceCommand = this.#sentAt === null ? null : now - this.#sentAt;
    const decision = this.rounds.decide(this.#nodes, { elapsed: now - this.#startedAt, sinceCommand });
    if (decision.refusals.length > 0) throw refused(decision.refusals, this.#left());
    return decision;
  }

  isOver(): boolean {
    return performance.now() > this.#deadline;
  }

  async act(actions: readonly Action[]): Promise<void> {
    if (actions.length === 0) return;
    await this.rounds.beforeActing?.(actions);
    this.#sentAt = performance.now();
    const { order } = this.rounds;
    const stages = [
      ...order.map((kind) => [kind]),
      [...new Set(actions.map(({ kind }) => kind))].filter((kind) => !order.includes(kind)),
    ];
    for (const stage of stages) {
      const now = actions.filter(({ kind }) => stage.includes(kind));
      const names = [...new Set(now.map(({ node }) => node))];
      await Promise.all(
        names.map((name) =>
          this.#send(
            name,
            now.filter(({ node }) => node === name),
          ),
        ),
      );
    }
  }

  settled(): Settled {
    return { effects: this.#effects(), nodes: this.#nodes };
  }

  notReached({ waitingFor }: Decision<Action>): ForgeError {
    const { purpose, timings, overdue, untouched = overdue.type } = this.rounds;
    const refusals = [...this.#refused].map(([wanted, reply]) => `${wanted}: ${reply}`);
    const missing = [...waitingFor, ...refusals].slice(0, 8).join('; ');
    const what = `${purpose} did not come to its end within ${timings.formMs} ms: ${missing}.`;
    const type = this.#done.length === 0 ? untouched : overdue.type;
    return new ForgeError(type, { what, left: this.#left(), next: overdue.next });
  }

  /** A refused or lost command is no failure: the next look tells what came of it, and the deadline bounds it. */
  async #send(node: string, actions: readonly Action[]): Promise<void> {
    const { nodes, commandOf, leadingTo = () => [], wordsOf } = this.rounds;
    try {
      const capabilities = await nodes.capabilitiesOf(node);
      const rows = actions.map((action) => [...leadingTo(action), commandOf(action, capabilities)]);
      const replies = await nodes.send(node, rows.flat());
      let sent = 0;
      for (const [i, action] of actions.entries()) {
        sent += rows[i]?.length ?? 0;
        const reply = replies[sent - 1];
        const words = reply?.ok === true ? '' : (reply?.error.message ?? 'no reply');
        if (reply?.ok === true) this.#done.push(action);
        else if (this.rounds.tolerates?.(action, words) !== true) this.#refused.set(wordsOf(action), words);
      }
    } catch (error) {
      if (error instanceof ForgeError && error.type === 'Fenced') throw error;
      this.#refused.set(node, error instanceof Error ? error.message : 'it failed');
    }
  }

  #effects(): readonly string[] {
    const { wordsOf, effectsOf = (done) => done.map(wordsOf) } = this.rounds;
    return effectsOf(this.#done);
  }

  #left(): string {
    return this.#done.length === 0 ? 'No node was changed.' : `Done so far: ${this.#effects().join('; ')}.`;
  }
}

function bytesInSync(nodes: readonly LookedNode[]): number {
  return answeringOf(nodes).reduce(
    (sum, { replication }) => sum + (replication.role === 'replica' ? (replication.syncedBytes ?? 0) : 0),
    0,
  );
}

/** Refusals as one failure. */
export function refused(refusals: readonly Refusal[], left = 'No node was changed.'): ForgeError {
  return new ForgeError('Refused', {
    what: refusals.map(({ what }) => what).join(' '),
    left,
    next: [...new Set(refusals.map(({ next }) => next))].join(' '),
  });
}
