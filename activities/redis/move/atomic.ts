import { setTimeout as sleep } from 'node:timers/promises';
import { FIRST_PACE, nextPace } from '../../../domain/atomic-pace.js';
import { atomicTroubleOf, fateOfTask, type StopReason } from '../../../domain/atomic-refusals.js';
import { endedItsPause } from '../../../domain/atomic-tasks.js';
import { ForgeError } from '../../../domain/errors.js';
import { formatRanges } from '../../../domain/slots.js';
import { beginTasks, foundTask, weightOf } from './atomic-begin.js';
import { cancelTasks, unlessGone } from './atomic-cancel.js';
import type { AtomicEngine } from './atomic-engine.js';
import { taskFailure } from './atomic-failures.js';
import { standingOf } from './atomic-follow.js';
import { AtomicNodes } from './atomic-nodes.js';
import { lookAtPairs } from './atomic-pairs.js';
import { sweep } from './atomic-sweep.js';
import { askedEnd, findTask, otherEnd, type PairWork, type Running, type Tools, whereabouts } from './atomic-task.js';
import type { MoveTally, MoveWork, SlotMover } from './mover.js';
import { Room } from './room.js';
import { StallProbe } from './stall.js';

/** Between looks at tasks: often while they are young, as many are over in tenths of a second. */
const POLL_MS = 25;
const LONG_POLL_MS = 100;
const YOUNG_MS = 1500;

/** Tries of one pair's tasks that fail one after the other, and the rest after each, growing. */
const MOST_FAILURES = 4;
const REST_MS = 500;

/** Where less time than this is left, no other task is begun. */
const WORTHWHILE_MS = 400;

/** A node may need this long to take away keys that have gone, where clients cache on their side; it goes on by itself. */
const TRIM_MS = 5000;

/** Moves slots by tasks of the engine: each is looked for before it is begun, so that one that an earlier attempt left is gone on with. */
export function atomicMover(engine: AtomicEngine): SlotMover {
  return {
    move: async (work) => {
      const probe = new StallProbe({ send: work.nodes.sendAside.bind(work.nodes, 'probe') }, nodesOf(work));
      try {
        return await new AtomicMove(engine, work, probe).run();
      } finally {
        await probe.stop();
      }
    },
  };
}

function nodesOf({ transfers }: MoveWork): string[] {
  return [...new Set(transfers.flatMap(({ from, to }) => [from.name, to.name]))];
}

interface Stop {
  readonly reason: StopReason;
  readonly at: number;
}

/** One call's work: looks, begins, follows, and ends what is under way when it has to stop. */
class AtomicMove {
  readonly #nodes: AtomicNodes;
  readonly #startedAt = performance.now();
  readonly #done = { slots: 0, keys: 0, bytes: 0 };
  readonly #rooms = new Map<string, Room>();
  #pairs: readonly PairWork[] = [];
  #running: Running[] = [];
  #pace = FIRST_PACE;
  #keysBegun = 0;
  #begunBefore = false;
  #stop: Stop | null = null;

  constructor(
    private readonly engine: AtomicEngine,
    private readonly work: MoveWork,
    private readonly probe: StallProbe,
  ) {
    this.#nodes = new AtomicNodes(work.nodes, engine);
  }

  /** @throws ForgeError Refused, CommandFailed, Fenced; MoveTrouble where a node is gone, or is not what it was */
  async run(): Promise<MoveTally> {
    try {
      this.#pairs = await lookAtPairs(this.work.transfers, this.#nodes);
      const left = await sweep({ pairs: this.#pairs, otherMasters: this.work.otherMasters }, this.#tools);
      this.#running = left.map(({ pair, chunk, task }) => foundTask(pair, chunk, task));
      await this.#moveAll();
    } catch (error) {
      // A superseded attempt leaves its tasks to the newer one.
      if (!(error instanceof ForgeError && error.type === 'Fenced')) await this.#cancel(this.#running);
      throw error;
    }
    await this.#trimmed();
    return this.#tally;
  }

  get #tools(): Tools {
    return { engine: this.engine, nodes: this.#nodes, roomOf: (target) => this.#roomOf(target) };
  }

  #roomOf(target: string): Room {
    const room = this.#rooms.get(target) ?? new Room(target, this.work.nodes);
    this.#rooms.set(target, room);
    return room;
  }

  get #tally(): MoveTally {
    return { ...this.#done, p99Ms: this.probe.p99Ms };
  }

  async #moveAll(): Promise<void> {
    for (;;) {
      this.#stop = this.#whyStop();
      if (this.#stop === null) await this.#begin();
      else await this.#end(this.#stop);
      this.work.progress(this.#tally);
      if (this.#running.length === 0 && (this.#stop !== null || this.#pairs.every(isDone))) return;
      await sleep(this.#pollMs);
      await this.#poll();
    }
  }

  /** The engines tell of past tasks, too: Valkey of a thousand. */
  get #pollMs(): number {
    const young = this.#running.some(({ startedAt }) => performance.now() - startedAt < YOUNG_MS);
    return Math.max(young ? POLL_MS : LONG_POLL_MS, this.#nodes.mostTasks / 10);
  }

  /** Since when, too. A signal is more urgent than the time. */
  #whyStop(): Stop | null {
    const now = performance.now();
    const { signal, until } = this.work;
    if (signal.aborted) return this.#stop?.reason === 'signal' ? this.#stop : { reason: 'signal', at: now };
    if (this.#stop !== null) return this.#stop;
    const enough = this.#begunBefore ? until - WORTHWHILE_MS : until;
    return now >= enough ? { reason: 'time', at: now } : null;
  }

  async #begin(): Promise<void> {
    if (this.#isAheadOfRate()) return;
    const { rules, until } = this.work;
    const begun = await beginTasks(
      { pairs: this.#pairs, running: this.#running, pace: this.#pace, rules, until, begunBefore: this.#begunBefore },
      this.#tools,
    );
    for (const { running, refusal } of begun) {
      if (refusal !== null) this.#failed(running, refusal);
      else {
        this.#running.push(running);
        this.#begunBefore = true;
        this.#keysBegun += running.chunk.keys;
      }
    }
  }

  /** Inside of a task nothing can be slowed down: where keys per second are limited, the next one waits until those of the last have had their time. */
  #isAheadOfRate(): boolean {
    const { maxKeysPerSecond } = this.work.rules;
    if (maxKeysPerSecond === null) return false;
    return (performance.now() - this.#startedAt) * maxKeysPerSecond < this.#keysBegun * 1000;
  }

  async #poll(): Promise<void> {
    const polled = await Promise.allSettled(
      this.#byAsked(this.#running).map(([name, running]) => this.#pollNode(name, running)),
    );
    for (const outcome of polled) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #pollNode(name: string, running: readonly Running[]): Promise<void> {
    const tasks = await this.#nodes.tasks(name);
    if (tasks === null) return;
    for (const one of running) {
      const task = findTask(one, tasks, this.engine);
      const standing = await standingOf(one, task, this.#tools);
      if (standing.kind === 'moved') {
        if (task !== undefined && endedItsPause(task)) this.work.note(lateOwner(one));
        this.#moved(one);
      } else if (standing.kind === 'failed') this.#failed(one, standing.words);
    }
  }

  #byAsked(running: readonly Running[]): [string, Running[]][] {
    const groups = new Map<string, Running[]>();
    for (const one of running) {
      const { name } = askedEnd(this.engine, one.pair.transfer);
      groups.set(name, [...(groups.get(name) ?? []), one]);
    }
    return [...groups];
  }

  #moved(running: Running): void {
    const { pair, chunk, startedAt, adopted } = running;
    const weight = weightOf(pair, chunk);
    this.#drop(running);
    this.#done.slots += chunk.loads.length;
    this.#done.keys += weight.keys;
    this.#done.bytes += weight.bytes;
    pair.failures = 0;
    if (adopted) return;
    const seen = { ...weight, tookMs: performance.now() - startedAt, p99Ms: this.probe.p99SinceMs(startedAt) };
    this.#pace = nextPace({ pace: this.#pace, limits: this.engine.limits, seen, ...this.work.rules });
    if (this.#pace.restMs > 0) pair.notBefore = performance.now() + this.#pace.restMs;
  }

  #failed(running: Running, words: string): void {
    this.#drop(running);
    this.#putBack(running, words);
  }

  /** What was not moved is still to be moved. @throws MoveTrouble, ForgeError CommandFailed where trying again would not help, or has not helped */
  #putBack({ pair, chunk }: Running, words: string): void {
    pair.left = [...chunk.loads, ...pair.left].sort((a, b) => a.slot - b.slot);
    pair.failures += 1;
    const mayPass = ['busy', 'other'].includes(atomicTroubleOf(words));
    if (!mayPass || pair.failures >= MOST_FAILURES)
      throw taskFailure({ transfer: pair.transfer, ranges: chunk.ranges, words });
    pair.notBefore = performance.now() + REST_MS * pair.failures;
  }

  #drop(running: Running): void {
    const { pair, chunk, adopted } = running;
    this.#running = this.#running.filter((one) => one !== running);
    if (!adopted) this.#roomOf(pair.transfer.to.name).release(weightOf(pair, chunk).bytes);
  }

  /** A node's tasks are cancelled together: Valkey knows no other way, and Redis has one at a time. */
  async #end({ reason, at }: Stop): Promise<void> {
    const now = performance.now();
    for (const [, running] of this.#byAsked(this.#running)) {
      const fates = running.map(({ startedAt, estimateMs, firstOfCall }) =>
        fateOfTask({ reason, firstOfCall, estimateMs, elapsedMs: now - startedAt, stoppedMs: now - at }),
      );
      if (fates.every((fate) => fate === 'cancel')) await this.#cancel(running);
    }
  }

  /** Afterwards nothing of them is under way. Those that were quicker count as moved. @throws ForgeError Fenced */
  async #cancel(running: readonly Running[]): Promise<void> {
    for (const [asked, group] of this.#byAsked(running)) {
      for (const one of group) one.id ??= await this.#findId(one);
      const others = group.map(({ pair }) => otherEnd(this.engine, pair.transfer).name);
      const ids = new Set(group.flatMap(({ id }) => id ?? []));
      await cancelTasks({ asked, others: [...new Set(others)], ids }, this.#tools);
      for (const one of group) await this.#afterCancel(one);
    }
  }

  async #findId(running: Running): Promise<string | null> {
    const tasks = await unlessGone(() => this.#nodes.tasks(askedEnd(this.engine, running.pair.transfer).name));
    return findTask(running, tasks ?? [], this.engine)?.id ?? null;
  }

  async #afterCancel(running: Running): Promise<void> {
    const owner = await unlessGone(() => whereabouts(running, this.#tools));
    if (owner === 'target' || owner === 'between') this.#moved(running);
    else this.#drop(running);
  }

  async #trimmed(): Promise<void> {
    const end = performance.now() + TRIM_MS;
    for (const name of nodesOf(this.work)) {
      while ((await this.#nodes.isTrimming(name)) && performance.now() < end) await sleep(LONG_POLL_MS);
    }
  }
}

function lateOwner({ pair, chunk }: Running): string {
  const { from, to } = pair.transfer;
  return `writes may be lost: ${to.name} took slots ${formatRanges(chunk.ranges)} over so late that ${from.name} had gone on answering; what it acknowledged after that is gone`;
}

function isDone({ left }: PairWork): boolean {
  return left.length === 0;
}
