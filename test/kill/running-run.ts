import type { Gate } from './gates.js';
import type { Calls, Kill } from './kills.js';

/** A kill that was done. */
export interface Struck {
  readonly kill: Kill;
  /** What was being done by who was killed, at that moment. */
  readonly live: readonly string[];
  /** Until the next activity began, milliseconds: what the kill cost at that place. `null` where none began any more. */
  resumedAfterMs: number | null;
}

/** What goes on in one operation: calls are counted, and kills come due. */
export class RunningRun {
  readonly struck: Struck[] = [];
  readonly #begun = new Map<string, number>();
  readonly #done = new Map<string, number>();
  readonly #times = new Map<Struck, number>();
  readonly #pending: Set<Kill>;
  readonly #next: Kill[] = [];

  constructor(kills: readonly Kill[]) {
    this.#pending = new Set(kills);
  }

  get calls(): Calls {
    return Object.fromEntries(this.#begun);
  }

  /** The kill that is due at this gate. */
  due({ moment, activity }: Gate): Kill | undefined {
    if (moment === 'failed') return undefined;
    const counts = moment === 'before' ? this.#begun : this.#done;
    const call = (counts.get(activity) ?? 0) + 1;
    counts.set(activity, call);
    if (moment === 'before') this.#resumed();
    const postponed = moment === 'before' ? this.#takeNext(activity) : undefined;
    if (postponed !== undefined) return { ...postponed, moment: 'before', activity, call };
    for (const kill of this.#pending) {
      if (kill.activity !== activity || kill.call !== call) continue;
      if ((moment === 'after') !== (kill.moment === 'after' || kill.moment === 'reported')) continue;
      this.#pending.delete(kill);
      return kill;
    }
    return undefined;
  }

  /** It came too late for the activity that it was meant for: the next one is hit. */
  hitNext(kill: Kill): void {
    this.#next.push(kill);
  }

  /** A host loses its power only in an activity of the kind that was drawn: not every one goes on after it. */
  #takeNext(activity: string): Kill | undefined {
    const at = this.#next.findIndex((kill) => kill.victim !== 'host' || kill.activity === activity);
    return at < 0 ? undefined : this.#next.splice(at, 1)[0];
  }

  note(struck: Struck): void {
    this.struck.push(struck);
    this.#times.set(struck, performance.now());
  }

  #resumed(): void {
    for (const struck of this.struck) {
      struck.resumedAfterMs ??= Math.round(performance.now() - (this.#times.get(struck) ?? 0));
    }
  }
}
