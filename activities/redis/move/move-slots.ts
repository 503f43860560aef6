import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeError } from '../../../domain/errors.js';
import type { Trouble } from '../../../domain/move-trouble.js';
import { ownLine, type Resolved, resolveMoves, Shards, type Viewer } from '../../../domain/move-transfers.js';
import { declaredNodes } from '../../../domain/nodes.js';
import { myselfIn, parseClusterNodes } from '../../../domain/parse-nodes.js';
import type { MovedSlots, MoveSlotsStep } from '../../../domain/reshape-steps.js';
import type { MoveProgress } from '../../../domain/slot-moves.js';
import { formatRanges, slotsIn } from '../../../domain/slots.js';
import { textOf } from '../connection.js';
import { Fence, type FenceDeps } from '../fence.js';
import { OpenNodes } from '../open-nodes.js';
import { asOperator } from '../operator.js';
import { tellHeirs } from './heirs.js';
import { Given } from './given.js';
import { moveByBest } from './choose.js';
import type { MoveTally, MovingMaster, Transfer } from './mover.js';
import { setNodeTimeout } from './node-timeout.js';
import { countKeys } from './pair.js';
import { patienceOf } from './patience.js';
import { throwReclaim } from './reclaim.js';
import { MoveTrouble, silent } from './trouble.js';

/** What is told while slots go: a heartbeat. */
export interface MoveHeartbeat extends MoveTally {
  readonly slotsLeft: number;
}

export interface MoveSlotsDeps extends FenceDeps {
  readonly progress: (heartbeat: MoveHeartbeat) => void;
  /** Aborted: it comes to the next safe point, and returns how far it got. */
  readonly signal: AbortSignal;
}

/** Between tries of a move that met trouble. */
const AGAIN_MS = 250;

/**
 * Moves as many of the slots as fit into its time, and leaves none open when it returns. What is to be done is asked of the nodes, so it goes on from
 * whatever another attempt left, and with whoever is master by now; twice at once is kept apart by the fence.
 * @throws ForgeError NodeUnreachable where trouble lasts, CommandFailed where it would be the same again, Fenced, SecretUnavailable
 */
export async function moveSlots(step: MoveSlotsStep, deps: MoveSlotsDeps): Promise<MovedSlots> {
  const { spec, token } = step;
  const fence = await Fence.raise({ spec, token, nodes: await answering(step, deps), rights: 'move' }, deps);
  const nodes = new OpenNodes({
    spec,
    access: { credentials: fence.credentials, raiseAgain: (name) => fence.raiseAgain(name) },
    // A source may be held for half a node timeout.
    timeoutMs: spec.timings.redisCommandMs + spec.redis.nodeTimeoutMs,
  });
  try {
    return await new Moving(step, deps, nodes).run();
  } finally {
    nodes.close();
    await fence.lower();
  }
}

/** Nodes that do not answer now are passed over: the fence is raised there when they are spoken to. */
async function answering({ spec }: MoveSlotsStep, { secrets }: MoveSlotsDeps): Promise<string[]> {
  await secrets(spec.secrets.operator.current);
  const asked = declaredNodes(spec).map(async ({ name }) => {
    const pong = asOperator({ spec, node: name, secrets }, (connection) => connection.ask('PING'));
    return pong.then(
      () => name,
      () => null,
    );
  });
  return (await Promise.all(asked)).filter((name) => name !== null);
}

class Moving {
  readonly #startedAt = performance.now();
  readonly #until: number;
  readonly #given = new Given();
  readonly #shards = new Shards();
  readonly #effects: string[] = [];
  #quietSince = performance.now();
  #tally: MoveTally = { slots: 0, keys: 0, bytes: 0, p99Ms: null };

  constructor(
    private readonly step: MoveSlotsStep,
    private readonly deps: MoveSlotsDeps,
    private readonly nodes: OpenNodes,
  ) {
    this.#until = this.#startedAt + step.budgetMs;
  }

  async run(): Promise<MovedSlots> {
    await this.#endLongTimeouts();
    for (;;) {
      const looked = await this.#look();
      this.#given.seen(looked.resolved);
      const { transfers, stuck, begun } = looked.resolved;
      if (transfers.length === 0 && (stuck.length === 0 || this.#stopping())) return this.#result(looked);
      if (this.#stopping() && begun === 0) return this.#result(looked);
      if (transfers.length === 0) await this.#bear(stuckTrouble(looked.resolved), looked);
      else await this.#tryToMove(looked);
    }
  }

  async #tryToMove(looked: Looked): Promise<void> {
    const before = this.#tally;
    try {
      await this.#move(looked);
      this.#quietSince = performance.now();
    } catch (error) {
      if (!(error instanceof MoveTrouble)) throw error;
      if (this.#tally.keys > before.keys || this.#tally.slots > before.slots) this.#quietSince = performance.now();
      await this.#tellHeirs(looked);
      await this.#bear(error, looked);
    }
  }

  async #tellHeirs({ viewers, resolved }: Looked): Promise<void> {
    await tellHeirs({
      ...{ spec: this.step.spec, viewers, nodes: this.nodes, signal: this.deps.signal },
      targets: [...new Set(resolved.transfers.map(({ to }) => to))],
      until: this.#quietSince + patienceOf(this.step.spec),
      progress: () => this.deps.progress({ ...this.#tally, slotsLeft: slotsLeft(resolved) }),
    });
  }

  /** Waits a little where trouble may pass, and has not lasted for too long. @throws ForgeError */
  async #bear(error: MoveTrouble, { resolved }: Looked): Promise<void> {
    const { trouble } = error.text;
    const patienceMs = patienceOf(this.step.spec);
    const mayPass = trouble === 'passes' || trouble === 'roles';
    if (!mayPass || performance.now() > this.#quietSince + patienceMs) throw this.#failure(error, resolved);
    await sleep(AGAIN_MS);
  }

  /** A move that was killed while a big key went may have left nodes with a longer node timeout than the spec's. */
  async #endLongTimeouts(): Promise<void> {
    const { spec } = this.step;
    const one = (name: string) => setNodeTimeout({ nodes: this.nodes, members: [name], ms: spec.redis.nodeTimeoutMs });
    const ended = await Promise.allSettled(declaredNodes(spec).map(({ name }) => one(name)));
    for (const outcome of ended) {
      if (outcome.status === 'fulfilled') this.#effects.push(...outcome.value);
      else if (!(outcome.reason instanceof MoveTrouble)) throw outcome.reason;
    }
  }

  #stopping(): boolean {
    return this.deps.signal.aborted || performance.now() >= this.#until;
  }

  async #look(): Promise<Looked> {
    const viewers = await Promise.all(declaredNodes(this.step.spec).map(({ name }) => this.#lookAt(name)));
    const answering = viewers.filter((viewer) => viewer !== undefined);
    this.#shards.seen(answering);
    const resolved = resolveMoves(this.step.moves, { viewers: answering, shards: this.#shards });
    return { viewers: answering, resolved };
  }

  async #lookAt(name: string): Promise<Viewer | undefined> {
    try {
      const [text] = await this.nodes.send(name, [['CLUSTER', 'NODES']]);
      const view = parseClusterNodes(textOf(text));
      return { name, id: myselfIn(view), view };
    } catch (error) {
      silent(error, name);
      return undefined;
    }
  }

  async #move({ viewers, resolved }: Looked): Promise<void> {
    const before = this.#tally;
    const add = (tally: MoveTally) => {
      this.#tally = {
        slots: before.slots + tally.slots,
        keys: before.keys + tally.keys,
        bytes: before.bytes + tally.bytes,
        p99Ms: tally.p99Ms,
      };
      const left = resolved.transfers.reduce((sum, { ranges }) => sum + slotsIn(ranges), 0);
      this.deps.progress({ ...this.#tally, slotsLeft: left - tally.slots });
    };
    const transfers = await Promise.all(resolved.transfers.map((transfer) => this.#transferOf(transfer, viewers)));
    const { spec } = this.step;
    await throwReclaim({ transfers, viewers, spec, nodes: this.nodes });
    const atWork = new Set(transfers.flatMap(({ from, to }) => [from.name, to.name]));
    const masters = viewers.filter((viewer) => ownLine(viewer)?.masterId === null).map(({ name }) => name);
    add(
      await moveByBest({
        transfers,
        nodes: this.nodes,
        otherMasters: masters.filter((name) => !atWork.has(name)),
        members: viewers.map(({ name }) => name),
        rules: spec.moves,
        nodeTimeoutMs: spec.redis.nodeTimeoutMs,
        until: this.#until,
        signal: this.deps.signal,
        progress: add,
        note: (line) => this.#effects.push(line),
      }),
    );
  }

  async #transferOf(transfer: Resolved['transfers'][number], viewers: readonly Viewer[]): Promise<Transfer> {
    const { from, to, ranges } = transfer;
    const [source, target] = [from, to].map((name) => viewers.find((viewer) => viewer.name === name));
    if (source === undefined || target === undefined) throw new Error(`${from} or ${to} was not looked at`);
    const [giver, getter] = await Promise.all([this.#masterOf(source, target), this.#masterOf(target, source)]);
    return { from: giver, to: getter, ranges, mates: this.#shards.matesOf(target.id) };
  }

  /** With the address at which the other end reaches it: ours may be another one. */
  async #masterOf({ name, id }: Viewer, seenBy: Viewer): Promise<MovingMaster> {
    const seen = seenBy.view.find((entry) => entry.id === id);
    if (seen === undefined || seen.address === '') {
      throw new MoveTrouble({ trouble: 'roles', node: seenBy.name, words: `it does not know ${name}` });
    }
    const { address, port } = seen;
    const capabilities = await this.nodes.capabilitiesOf(name).catch((error: unknown) => {
      throw silent(error, name);
    });
    return { name, id, address, port, capabilities };
  }

  async #result({ resolved }: Looked): Promise<MovedSlots> {
    const progress: MoveProgress = {
      slotsDone: resolved.done,
      slotsLeft: slotsLeft(resolved),
      keys: this.#tally.keys,
      bytes: this.#tally.bytes,
      tookMs: Math.round(performance.now() - this.#startedAt),
      p99Ms: this.#tally.p99Ms,
    };
    const given = await this.#given.effects((to, slots) => this.#keysIn(to, slots));
    return { effects: [...this.#effects, ...given], progress };
  }

  /** How many keys a master has in these slots; `null` where it does not answer. */
  async #keysIn(node: string, slots: readonly number[]): Promise<number | null> {
    const counted = await countKeys(node, slots, this.nodes).catch(() => null);
    return counted?.reduce((sum, { keys }) => sum + keys, 0) ?? null;
  }

  #failure(trouble: MoveTrouble, resolved: Resolved): ForgeError {
    const { trouble: kind } = trouble.text;
    const mayPass = kind === 'passes' || kind === 'roles';
    return new ForgeError(mayPass ? 'NodeUnreachable' : 'CommandFailed', {
      what: `Slots of ${this.step.spec.name} cannot be moved: ${trouble.message}.`,
      left: `Moved before: ${this.#tally.slots} slots, ${this.#tally.keys} keys; ${slotsLeft(resolved)} slots were left at the last look.`,
      next: NEXT[kind],
    });
  }
}

const NEXT: Readonly<Record<Trouble, string>> = {
  passes: 'See whether the nodes named run and reach each other; the same operation again goes on from here.',
  roles:
    'See redisforge status for these slots; redisforge repair mends half states, and the same operation again goes on.',
  'no-room':
    'Give the target more memory (redis.maxmemory), or the slots to another one; the same operation again goes on from here.',
  stays: 'Mend what is named; the same operation again goes on from here.',
};

function slotsLeft({ transfers, stuck }: Resolved): number {
  return [...transfers, ...stuck].reduce((sum, { ranges }) => sum + slotsIn(ranges), 0);
}

function stuckTrouble({ stuck }: Resolved): MoveTrouble {
  const words = stuck.map(({ ranges, why }) => `${formatRanges(ranges)}: ${why}`).join('; ');
  return new MoveTrouble({ trouble: 'roles', node: 'slots', words });
}

interface Looked {
  readonly viewers: readonly Viewer[];
  readonly resolved: Resolved;
}
