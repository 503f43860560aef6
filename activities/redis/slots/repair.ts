import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeError } from '../../../domain/errors.js';
import { eachSlot } from '../../../domain/ownership.js';
import type { RepairSlotsStep } from '../../../domain/reshape-steps.js';
import type { MendableCase, SlotCase } from '../../../domain/slot-cases.js';
import { nextStages } from '../../../domain/slot-repair-actions.js';
import { workableCase } from '../../../domain/slot-repair-plan.js';
import type { Member, SlotTable } from '../../../domain/slot-states.js';
import type { StepResult } from '../../../domain/steps.js';
import { userName } from '../../../domain/users.js';
import { Fence, type FenceDeps } from '../fence.js';
import { tellHeirs } from '../move/heirs.js';
import { patienceOf } from '../move/patience.js';
import { MoveTrouble } from '../move/trouble.js';
import { DoneRepairs } from './done-repairs.js';
import { moveKeys } from './move-keys.js';
import { giveOrders, type KeyOrder } from './orders.js';
import { SlotNodes } from './slot-nodes.js';
import { settleTasksOn } from './tasks.js';
import { uncoverKeys } from './uncover.js';

/** Slots that are worked on at once: as many are open at the most, beside those that were found so. */
const SLOTS_AT_ONCE = 256;

export interface RepairDeps extends FenceDeps {
  /** Told what goes on, several times a second: a heartbeat. */
  readonly progress?: (what: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Mends the half states of the slots that the step names, by what the nodes say now: it looks, decides anew (domain/slot-repair-plan.ts), does what is missing, and looks again,
 * until none is left. Killed anywhere and asked again it goes on, and where all is mended it does nothing. Nodes that do not answer are passed over; they learn
 * of it by gossip. Ends when nothing has changed for `timings.formMs`.
 * @throws ForgeError NotReached, CommandFailed where a node refuses for good, NodeUnreachable, NodeAuthFailed, Fenced, SecretUnavailable
 */
export async function repairSlots(step: RepairSlotsStep, deps: RepairDeps): Promise<StepResult> {
  const { spec, token } = step;
  const names = await whoAnswers(step, deps);
  const fence = await Fence.raise({ spec, token, nodes: [...names], rights: 'mend' }, deps);
  const nodes = new SlotNodes({
    spec,
    names,
    access: { credentials: fence.credentials, raiseAgain: (name) => fence.raiseAgain(name) },
    timeoutMs: Math.max(spec.timings.redisCommandMs, spec.redis.nodeTimeoutMs * 2),
  });
  try {
    return await new Mending(step, nodes, deps).run();
  } finally {
    nodes.close();
    await fence.lower();
  }
}

/** The declared nodes that can be worked with now; the operator only reads. @throws ForgeError SecretUnavailable */
async function whoAnswers({ spec }: RepairSlotsStep, { secrets }: RepairDeps): Promise<Set<string>> {
  const credentials = { user: userName(spec, 'operator'), password: await secrets(spec.secrets.operator.current) };
  const names = new Set(spec.hosts.flatMap((host) => host.nodes.map(({ port }) => `${host.name}:${port}`)));
  const nodes = new SlotNodes({ spec, names, access: { credentials, raiseAgain: () => Promise.resolve() } });
  try {
    const { members } = await nodes.look([]);
    return new Set(members.map(({ name }) => name));
  } finally {
    nodes.close();
  }
}

/** What is left of the step at one look. */
interface Left {
  readonly table: SlotTable;
  readonly open: readonly { readonly slot: number; readonly found: SlotCase }[];
  readonly tasks: readonly string[];
}

class Mending {
  /** Those of the step, and what was found beside them. */
  #slots: readonly number[];
  readonly #settles: boolean;
  /** Names of nodes that are to tell of hidden keys in whichever slot. */
  readonly #whole: ReadonlySet<string>;
  readonly #done = new DoneRepairs();
  readonly #effects: string[] = [];
  /** The nodes' last refusals, by what they were told. */
  #refused: ReadonlyMap<string, string> = new Map();
  #keysMoved = 0;
  #changedAt = performance.now();
  #before = '';

  constructor(
    private readonly step: RepairSlotsStep,
    private readonly nodes: SlotNodes,
    private readonly deps: RepairDeps,
  ) {
    this.#slots = [...new Set(step.repairs.flatMap(({ ranges }) => [...eachSlot(ranges)]))].sort((a, b) => a - b);
    this.#settles = step.repairs.some(({ repair }) => repair === 'settle-tasks');
    this.#whole = new Set(step.repairs.filter(({ repair }) => repair === 'uncover-keys').map(({ owner }) => owner));
  }

  async run(): Promise<StepResult> {
    const { pollMs } = this.step.spec.timings;
    for (let first = true; ; ) {
      this.deps.signal?.throwIfAborted();
      const left = await this.#look();
      if (await this.#tellHeirs(left)) continue;
      const isOver = left.open.length === 0 && left.tasks.length === 0;
      const uncovers = first || isOver;
      first = false;
      if (uncovers && (await this.#uncover(left))) continue;
      if (isOver) return { effects: this.#result() };
      this.#noteProgress(left);
      this.deps.progress?.(`${left.open.length} slots to mend`);
      const acted = await this.#act(left);
      if (!acted) await sleep(pollMs, undefined, { signal: this.deps.signal });
    }
  }

  /** Whether slots were on their way from a node that does not answer: by now somebody has taken over from it, or it is back. */
  async #tellHeirs({ table }: Left): Promise<boolean> {
    const { spec } = this.step;
    const silentPeer = ({ importing }: Member) => [...importing.values()].some((id) => table.member(id) === undefined);
    const targets = table.masters.filter(silentPeer).map(({ name }) => name);
    if (targets.length === 0) return false;
    return tellHeirs({
      ...{ spec, targets, viewers: table.members, nodes: this.nodes },
      until: performance.now() + patienceOf(spec),
      signal: this.deps.signal ?? new AbortController().signal,
      progress: () => this.deps.progress?.('waiting for a failover'),
    });
  }

  /** Before anything is given up for empty, and at the end once more: whether keys have come to light. */
  async #uncover({ table }: Left): Promise<boolean> {
    const { nodes } = this;
    const found = await uncoverKeys({ nodes, masters: table.masters, slots: this.#slots, whole: this.#whole });
    this.#slots = [...new Set([...this.#slots, ...found])].sort((a, b) => a - b);
    return found.length > 0;
  }

  async #look(): Promise<Left> {
    const table = await this.nodes.look(this.#slots);
    const masters = table.masters.map(({ name }) => name);
    const slots = this.#settles ? {} : { slots: new Set(this.#slots) };
    const { effects, waitingFor } = await settleTasksOn({ nodes: this.nodes, masters, ...slots });
    this.#effects.push(...effects);
    const open = this.#slots.flatMap((slot) => {
      const found = workableCase(table, slot);
      return found === null ? [] : [{ slot, found }];
    });
    this.#done.looked(open);
    return { table, open, tasks: waitingFor };
  }

  /** Time runs from the last change that was seen; what clients write is none. @throws ForgeError NotReached */
  #noteProgress({ open, tasks }: Left): void {
    const now = JSON.stringify([open.map(({ slot, found }) => [slot, found.kind]), tasks, this.#keysMoved]);
    if (now !== this.#before) this.#changedAt = performance.now();
    this.#before = now;
    if (performance.now() - this.#changedAt > this.step.spec.timings.formMs) throw this.#notReached({ open, tasks });
  }

  /** Whether something was told to a node. */
  async #act({ table, open }: Left): Promise<boolean> {
    const mendable = open.flatMap(({ slot, found }) => (found.kind === 'stuck' ? [] : [{ slot, found }]));
    const inherited = mendable.filter(({ slot, found }) => isInheritedEmpty(table, slot, found));
    const first = inherited.length > 0 ? inherited : mendable.sort((a, b) => rank(table, a) - rank(table, b));
    const now = first.slice(0, SLOTS_AT_ONCE);
    const orders = now
      .map(({ slot, found }) => ({ slot, stages: nextStages(table, slot, found) }))
      .filter(({ stages }) => stages.some((stage) => stage.length > 0));
    const { keys, refused } = await giveOrders(orders, this.nodes);
    this.#refused = refused;
    if (keys.length > 0) await this.#moveKeys(table, keys);
    return orders.length > 0 && refused.size === 0;
  }

  async #moveKeys(table: SlotTable, orders: readonly KeyOrder[]): Promise<void> {
    const { spec } = this.step;
    const before = this.#keysMoved;
    const moved = (keys: number) => {
      this.#keysMoved = before + keys;
      this.deps.progress?.(`${keys} keys moved`);
    };
    try {
      await moveKeys({
        table,
        orders,
        nodes: this.nodes,
        spec,
        moved,
        ...(this.deps.signal && { signal: this.deps.signal }),
      });
    } catch (error) {
      if (!(error instanceof MoveTrouble)) throw error;
      const { trouble, node, words } = error.text;
      if (trouble === 'no-room' || trouble === 'stays') throw this.#failed(error);
      this.#refused = new Map([[node, words]]);
      await sleep(spec.timings.pollMs, undefined, { signal: this.deps.signal });
    }
  }

  #result(): string[] {
    return [...this.#effects, ...this.#done.lines()];
  }

  #left(): string {
    const done = this.#result();
    return done.length === 0 ? 'Nothing has been mended yet.' : `Mended so far: ${done.join('; ')}.`;
  }

  #notReached({ open, tasks }: Pick<Left, 'open' | 'tasks'>): ForgeError {
    const { spec } = this.step;
    const stuck = open.flatMap(({ found }) => (found.kind === 'stuck' ? [found] : []));
    const refusals = [...this.#refused].map(([told, words]) => `${told}: ${words}`);
    const reasons = [...new Set([...stuck.map(({ what }) => what), ...refusals, ...tasks])].slice(0, 8);
    return new ForgeError('NotReached', {
      what: `${open.length} slots of ${spec.name} are in a half state, and nothing has changed for ${spec.timings.formMs} ms: ${reasons.join('; ')}`,
      left: this.#left(),
      next: [...new Set(stuck.map(({ next }) => next)), 'Then run redisforge repair again: it goes on from here.'].join(
        ' ',
      ),
    });
  }

  #failed(trouble: MoveTrouble): ForgeError {
    return new ForgeError('CommandFailed', {
      what: `Slots of ${this.step.spec.name} cannot be mended: ${trouble.message}.`,
      left: this.#left(),
      next: 'See to that, and run redisforge repair again: it goes on from here.',
    });
  }
}

/** Who inherits a slot without keys is told by those that have some, as long as nobody owns them: they come after it. */
function isInheritedEmpty(table: SlotTable, slot: number, { kind }: MendableCase): boolean {
  return kind === 'tell-owner' && table.claims[slot]?.length === 0 && table.holders(slot).length === 0;
}

/** Slots that are open already come before those that would have to be opened. */
function rank({ masters }: SlotTable, { slot, found }: { slot: number; found: MendableCase }): number {
  if (found.kind !== 'finish-move') return 0;
  return masters.some(({ migrating, importing }) => migrating.has(slot) || importing.has(slot)) ? 1 : 2;
}
