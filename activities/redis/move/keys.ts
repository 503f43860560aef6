import { lanesToStart } from '../../../domain/move-schedule.js';
import { slotsIn } from '../../../domain/slots.js';
import { Lane } from './lane.js';
import type { MoveTally, MoveWork, SlotMover, Transfer } from './mover.js';
import { LongerTimeout } from './node-timeout.js';
import { MovePace } from './pace.js';
import { Room } from './room.js';
import { StallProbe } from './stall.js';

/** Moves slots key by key, with MIGRATE: for every server that cannot do it in one go. */
export const keyMover: SlotMover = {
  async move(work) {
    const names = new Set(work.transfers.flatMap(({ from, to }) => [from.name, to.name]));
    const aside = { send: work.nodes.sendAside.bind(work.nodes, 'probe') };
    const probe = new StallProbe(aside, [...names]);
    try {
      return await new KeyMove(work, probe).run();
    } finally {
      await probe.stop();
    }
  },
};

const TELL_EVERY_MS = 100;

interface PlannedLane {
  readonly from: string;
  readonly to: string;
  readonly slots: number;
  readonly transfer: Transfer;
}

/** One run of lanes beside each other, as many as the nodes bear. */
class KeyMove {
  readonly #done = { slots: 0, keys: 0, bytes: 0 };
  readonly #pace: MovePace;
  readonly #timeout: LongerTimeout;
  readonly #rooms = new Map<string, Room>();
  #failure: Error | undefined;
  #toldAt = 0;

  constructor(
    private readonly work: MoveWork,
    private readonly probe: StallProbe,
  ) {
    this.#pace = new MovePace(work.rules, probe);
    this.#timeout = new LongerTimeout({ ...work, wantedMs: work.nodeTimeoutMs });
  }

  /** Where it is to stop, too, each lane is begun: what an earlier attempt left open is finished. */
  async run(): Promise<MoveTally> {
    const waiting = new Set(this.work.transfers.map(planned));
    const running = new Map<PlannedLane, Promise<void>>();
    const start = () => {
      if (this.#failure !== undefined) return;
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
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      });
    }
    this.work.progress(this.#tally);
    if (this.#failure !== undefined) throw this.#failure;
    return this.#tally;
  }

  get #tally(): MoveTally {
    return { ...this.#done, p99Ms: this.probe.p99Ms };
  }

  #run({ transfer }: PlannedLane): Promise<void> {
    return Lane.run({
      transfer,
      work: this.work,
      pace: this.#pace,
      room: this.#roomOf(transfer.to.name),
      timeout: this.#timeout,
      stopping: () => this.#stopping(),
      moved: ({ slots, keys, bytes }) => {
        this.#done.slots += slots;
        this.#done.keys += keys;
        this.#done.bytes += bytes;
        this.#tell();
      },
    });
  }

  #tell(): void {
    if (performance.now() < this.#toldAt + TELL_EVERY_MS) return;
    this.#toldAt = performance.now();
    this.work.progress(this.#tally);
  }

  #roomOf(target: string): Room {
    const room = this.#rooms.get(target) ?? new Room(target, this.work.nodes);
    this.#rooms.set(target, room);
    return room;
  }

  /** Where one lane fails the others come to their next safe point, too: whoever looks again looks at all. */
  #stopping(): boolean {
    return this.#failure !== undefined || this.work.signal.aborted || performance.now() >= this.work.until;
  }
}

function planned(transfer: Transfer): PlannedLane {
  const { from, to, ranges } = transfer;
  return { from: from.name, to: to.name, slots: slotsIn(ranges), transfer };
}
