import { lanesToStart } from '../../../domain/move-schedule.js';
import { slotsIn } from '../../../domain/slots.js';
import { Lane } from './lane.js';
import type { MoveTally, MoveWork, SlotMover, Transfer } from './mover.js';
import { KeyRate } from './pace.js';

/** Moves slots key by key, with MIGRATE: for every server that cannot do it in one go. */
export const keyMover: SlotMover = { move: (work) => new KeyMove(work).run() };

interface PlannedLane {
  readonly from: string;
  readonly to: string;
  readonly slots: number;
  readonly transfer: Transfer;
}

/** One run of lanes beside each other, as many as the nodes bear. */
class KeyMove {
  readonly #tally = { slots: 0, keys: 0, bytes: 0, p99Ms: null as number | null };
  readonly #rate: KeyRate;
  #failed = false;

  constructor(private readonly work: MoveWork) {
    this.#rate = new KeyRate(work.rules.maxKeysPerSecond);
  }

  async run(): Promise<MoveTally> {
    const waiting = new Set(this.work.transfers.map(planned));
    const running = new Map<PlannedLane, Promise<void>>();
    let failure: Error | undefined;
    const start = () => {
      if (this.#stopping()) return;
      for (const lane of lanesToStart([...waiting], [...running.keys()])) {
        waiting.delete(lane);
        running.set(
          lane,
          this.#run(lane).finally(() => running.delete(lane)),
        );
      }
    };
    for (start(); running.size > 0; start()) {
      await Promise.race(running.values()).catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error));
        this.#failed = true;
      });
    }
    if (failure !== undefined) throw failure;
    return this.#tally;
  }

  #run({ transfer }: PlannedLane): Promise<void> {
    return new Lane({
      transfer,
      work: this.work,
      rate: this.#rate,
      stopping: () => this.#stopping(),
      moved: ({ slots, keys }) => {
        this.#tally.slots += slots;
        this.#tally.keys += keys;
        this.work.progress(this.#tally);
      },
      patienceMs: this.work.nodeTimeoutMs,
    }).run();
  }

  /** Where one lane fails the others come to their next safe point, too: whoever looks again looks at all. */
  #stopping(): boolean {
    return this.#failed || this.work.signal.aborted || performance.now() >= this.work.until;
  }
}

function planned(transfer: Transfer): PlannedLane {
  const { from, to, ranges } = transfer;
  return { from: from.name, to: to.name, slots: slotsIn(ranges), transfer };
}
