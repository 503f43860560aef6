import type { SourceLoad } from '../../../domain/atomic-pace.js';
import type { SlotLoad } from '../../../domain/atomic-schedule.js';
import { type AtomicTask, isTrimming } from '../../../domain/atomic-tasks.js';
import { ForgeError } from '../../../domain/errors.js';
import type { ViewEntry } from '../../../domain/observation.js';
import { eachSlot } from '../../../domain/ownership.js';
import { type InfoFields, parseInfo, readReplication } from '../../../domain/parse-info.js';
import { myselfIn, parseClusterNodes } from '../../../domain/parse-nodes.js';
import { compactRanges, type SlotRange, slotsIn } from '../../../domain/slots.js';
import { type Command, countOf, type Reply, textOf, valueOf } from '../connection.js';
import { silenceOf } from '../silence.js';
import type { AtomicEngine } from './atomic-engine.js';
import type { MovingNodes } from './mover.js';
import { silent } from './trouble.js';

/** A node may be silent for this long, as one is that a service manager starts again, before the move gives it up. */
const SILENT_MS = 3000;

/** Commands of one round trip: more of them would keep a node from its clients. */
const COUNTED_AT_ONCE = 512;

/** A replica says once a second how far it is. One that has been silent for this long, or has not what its master had then, does not keep up. */
const REPLICA_MAY_LAG_MS = 3000;
/** … and as long as nothing is known of the time before. */
const REPLICA_MAY_LAG_BYTES = 64 * 2 ** 20;

/** What a node says of itself. */
export type OwnWords = Pick<ViewEntry, 'id' | 'masterId' | 'slots' | 'migrating' | 'importing'>;

/** The nodes of an atomic move: what is asked of them, and how long one may be silent. */
export class AtomicNodes {
  /** As many tasks, past ones among them, as any node tells of. */
  mostTasks = 0;
  readonly #silentSince = new Map<string, number>();
  readonly #marks = new Map<string, { readonly at: number; readonly offset: number }[]>();

  constructor(
    private readonly nodes: Pick<MovingNodes, 'send'>,
    private readonly engine: AtomicEngine,
  ) {}

  /** The replies, or `null` from a node that is silent for a moment. @throws MoveTrouble where it has been for longer; ForgeError Fenced */
  async ask(name: string, commands: readonly Command[]): Promise<Reply[] | null> {
    try {
      const replies = await this.nodes.send(name, commands);
      for (const reply of replies) if (!reply.ok && silenceOf(reply.error).silence === 'loading') throw reply.error;
      this.#silentSince.delete(name);
      return replies;
    } catch (error) {
      if (error instanceof ForgeError) throw error;
      return this.#bear(name, error);
    }
  }

  #bear(name: string, silence: unknown): null {
    const now = performance.now();
    const since = this.#silentSince.get(name) ?? now;
    this.#silentSince.set(name, since);
    if (now - since > SILENT_MS) throw silent(silence, name);
    return null;
  }

  /** The replies of a node that is needed now. @throws MoveTrouble; ForgeError Fenced */
  async must(name: string, commands: readonly Command[]): Promise<Reply[]> {
    try {
      return await this.nodes.send(name, commands);
    } catch (error) {
      throw silent(error, name);
    }
  }

  /** All tasks that a node knows of; `null` where it is silent. @throws as `ask` */
  async tasks(name: string): Promise<AtomicTask[] | null> {
    const replies = await this.ask(name, [this.engine.status]);
    if (replies === null) return null;
    const tasks = readable(name, () => this.engine.read(valueOf(replies[0])));
    this.mostTasks = Math.max(this.mostTasks, tasks.length);
    return tasks;
  }

  /** What a node says of itself; `null` where it is silent. @throws as `ask` */
  async ownWords(name: string): Promise<OwnWords | null> {
    const replies = await this.ask(name, [['CLUSTER', 'NODES']]);
    return replies === null ? null : readable(name, () => ownWordsIn(replies));
  }

  /** As `ownWords`, of a node that is needed now. @throws as `must` */
  async mustOwnWords(name: string): Promise<OwnWords> {
    const replies = await this.must(name, [['CLUSTER', 'NODES']]);
    return readable(name, () => ownWordsIn(replies));
  }

  /** How many keys lie in each of these slots. @throws as `must` */
  async countKeys(name: string, ranges: readonly SlotRange[]): Promise<SlotLoad[]> {
    const slots = [...eachSlot(ranges)];
    const loads: SlotLoad[] = [];
    for (let at = 0; at < slots.length; at += COUNTED_AT_ONCE) {
      const some = slots.slice(at, at + COUNTED_AT_ONCE);
      const replies = await this.must(
        name,
        some.map((slot) => ['CLUSTER', 'COUNTKEYSINSLOT', slot] as const),
      );
      const counted = readable(name, () => some.map((slot, i) => ({ slot, keys: countOf(replies[i]) })));
      loads.push(...counted);
    }
    return loads;
  }

  /** What a node has in all, what a key takes on average (neither engine tells it of a slot), and how long it forks. @throws as `must` */
  async loadOf(name: string): Promise<SourceLoad> {
    const replies = await this.must(name, [['INFO', 'memory'], ['INFO', 'stats'], ['DBSIZE']]);
    return readable(name, () => {
      const [memory, stats] = [parseInfo(textOf(replies[0])), parseInfo(textOf(replies[1]))];
      return {
        usedBytes: numberIn(memory, 'used_memory'),
        bytesPerKey: Math.max(1, numberIn(memory, 'used_memory_dataset') / Math.max(1, countOf(replies[2]))),
        forkMs: numberIn(stats, 'latest_fork_usec') / 1000,
      };
    });
  }

  /** Why a node cannot give slots away now; `null` where it can. @throws as `ask` */
  async whyNotGive(name: string): Promise<string | null> {
    const replies = await this.ask(name, [
      ['INFO', 'persistence'],
      ['INFO', 'clients'],
    ]);
    if (replies === null) return `${name} does not answer`;
    return readable(name, () => {
      const [persistence, clients] = [parseInfo(textOf(replies[0])), parseInfo(textOf(replies[1]))];
      if (persistence.get('loading') === '1') return `${name} is loading its data`;
      const child = ['rdb_bgsave_in_progress', 'aof_rewrite_in_progress'].find((one) => persistence.get(one) === '1');
      if (child !== undefined) return `${name} is saving its data (${child})`;
      return isPaused(clients) ? `the clients of ${name} are paused` : null;
    });
  }

  /** Why a node should not get slots now; `null` where it may: its replicas keep up, so that little is lost with it. @throws as `ask` */
  async whyNotGet(name: string): Promise<string | null> {
    const replies = await this.ask(name, [
      ['INFO', 'replication'],
      ['INFO', 'clients'],
    ]);
    if (replies === null) return `${name} does not answer`;
    return readable(name, () => {
      const info = parseInfo(textOf(replies[0]));
      const replication = readReplication(info);
      if (replication.role !== 'master') return `${name} is a replica`;
      if (isPaused(parseInfo(textOf(replies[1])))) return `the clients of ${name} are paused`;
      const needed = this.#offsetToHave(name, replication.offset);
      const behind = replication.replicas.find(({ state, offset }) => state !== 'online' || offset < needed);
      if (behind !== undefined) return `the replica ${behind.address}:${behind.port} of ${name} is behind`;
      return silentReplicas(info) ? `a replica of ${name} does not answer` : null;
    });
  }

  /** Whether a node is still taking away keys of slots that are not its own. @throws as `ask` */
  async isTrimming(name: string): Promise<boolean> {
    const replies = await this.ask(name, [['CLUSTER', 'INFO']]);
    return replies !== null && readable(name, () => isTrimming(parseInfo(textOf(replies[0]))));
  }

  /** What the master had a while ago: a replica that keeps up has told that it has it, too. */
  #offsetToHave(name: string, offset: number): number {
    const now = performance.now();
    const marks = [...(this.#marks.get(name) ?? []), { at: now, offset }].filter(({ at }) => at > now - 60_000);
    this.#marks.set(name, marks);
    const old = marks.filter(({ at }) => at <= now - REPLICA_MAY_LAG_MS).at(-1);
    return old?.offset ?? Math.max(0, (marks[0]?.offset ?? offset) - REPLICA_MAY_LAG_BYTES);
  }
}

function ownWordsIn([nodes]: readonly Reply[]): OwnWords {
  const view = parseClusterNodes(textOf(nodes));
  const id = myselfIn(view);
  return view.find((entry) => entry.id === id) ?? { id, masterId: null, slots: [], migrating: [], importing: [] };
}

/** Whether all of these slots are among a master's own. */
export function ownsAll({ slots, masterId }: OwnWords, ranges: readonly SlotRange[]): boolean {
  return masterId === null && slotsIn(within(slots, ranges)) === slotsIn(ranges);
}

export function ownsAny({ slots, masterId }: OwnWords, ranges: readonly SlotRange[]): boolean {
  return masterId === null && within(slots, ranges).length > 0;
}

/** Those of the wanted slots that are among the owned. */
export function within(owned: readonly SlotRange[], wanted: readonly SlotRange[]): SlotRange[] {
  const own = new Set(eachSlot(owned));
  return compactRanges([...eachSlot(wanted)].filter((slot) => own.has(slot)).map((slot) => [slot, slot] as const));
}

/** Valkey tells it; Redis keeps to itself that CLIENT PAUSE holds, and its task waits. */
function isPaused(clients: InfoFields): boolean {
  return !['none', 'slot_migration_in_progress'].includes(clients.get('paused_reason') ?? 'none');
}

/** 0 for a field that is not there, or is no number. */
function numberIn(info: InfoFields, name: string): number {
  const value = info.get(name) ?? '';
  return /^\d{1,16}$/.test(value) ? Number(value) : 0;
}

/** Each replica's line in INFO ends with the seconds since its last word. */
function silentReplicas(replication: InfoFields): boolean {
  const lags = [...replication].flatMap(([name, line]) =>
    /^slave\d+$/.test(name) ? [Number(/,lag=(\d{1,9})(?:,|$)/.exec(line)?.[1] ?? 0)] : [],
  );
  return lags.some((seconds) => seconds * 1000 > REPLICA_MAY_LAG_MS);
}

/** An answer that cannot be read is the trouble of the node that gave it. @throws MoveTrouble */
function readable<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw silent(error, name);
  }
}
