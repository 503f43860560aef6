import type { InfoFields } from './parse-info.js';
import { SLOT_COUNT, type SlotRange } from './slots.js';
import { UnreadableAnswer } from './unreadable.js';
import { visibleLine } from './visible.js';

/** An atomic slot migration, running or past, as one of its two nodes tells of it. */
export interface AtomicTask {
  /** The same on both nodes. */
  readonly id: string;
  /** Which end of it the node is that tells. */
  readonly side: 'import' | 'export';
  readonly ranges: readonly SlotRange[];
  /** Redis's own IDs of the ends; `null` where the node only keeps track for its master. */
  readonly sourceId: string | null;
  readonly targetId: string | null;
  /** `retrying`: it failed, and the engine begins it again by itself. */
  readonly state: 'running' | 'retrying' | 'done' | 'cancelled' | 'failed';
  /** The engine's own word for where it is. */
  readonly stage: string;
  /** The engine's own words for what went wrong, the last time that something did; empty where nothing has. */
  readonly error: string;
  readonly retries: number;
}

/** Whether anything is left to happen by itself. */
export function isUnderWay({ state }: AtomicTask): boolean {
  return state === 'running' || state === 'retrying';
}

/**
 * Whether its source has gone on answering clients before it heard of the new owner: it holds writes for no longer than twice `cluster-manual-failover-timeout`. What
 * it acknowledged from then on is not where the slots are, if the target took them over nevertheless. By Valkey's own words.
 */
export function endedItsPause({ side, state, error }: AtomicTask): boolean {
  return side === 'export' && state === 'failed' && error.startsWith('Unpaused before migration completed');
}

const REDIS = 'CLUSTER MIGRATION STATUS';
const VALKEY = 'CLUSTER GETSLOTMIGRATIONS';

/**
 * Reads CLUSTER MIGRATION STATUS (https://redis.io/docs/latest/commands/cluster-migration/), in the form that RESP2 has of it. An import that failed is begun
 * again once a second for ever; an export that failed waits for that.
 * @throws UnreadableAnswer
 */
export function parseRedisTasks(answer: unknown): AtomicTask[] {
  return rowsOf(answer, REDIS).map((row) => {
    const side = oneOf(row, 'operation', { import: 'import', migrate: 'export' } as const);
    const stage = row.word('state');
    return {
      id: row.id('id'),
      side,
      ranges: row.ranges('slots'),
      sourceId: row.id('source'),
      targetId: row.id('dest'),
      state: stage === 'failed' && side === 'import' ? 'retrying' : (REDIS_STATES.get(stage) ?? 'running'),
      stage,
      error: row.text('last_error'),
      retries: row.count('retries'),
    };
  });
}

const REDIS_STATES: ReadonlyMap<string, AtomicTask['state']> = new Map([
  ['completed', 'done'],
  ['canceled', 'cancelled'],
  ['failed', 'failed'],
]);

/**
 * Reads CLUSTER GETSLOTMIGRATIONS (https://valkey.io/commands/cluster-getslotmigrations/), in the form that RESP2 has of it. What failed stays so.
 * @throws UnreadableAnswer
 */
export function parseValkeyTasks(answer: unknown): AtomicTask[] {
  return rowsOf(answer, VALKEY).map((row) => {
    const stage = row.word('state');
    return {
      id: row.id('name'),
      side: oneOf(row, 'operation', { IMPORT: 'import', EXPORT: 'export' } as const),
      ranges: row.ranges('slot_ranges'),
      sourceId: row.has('source_node') ? row.id('source_node') : null,
      targetId: row.has('target_node') ? row.id('target_node') : null,
      state: VALKEY_STATES.get(stage) ?? 'running',
      stage,
      error: row.text('message'),
      retries: 0,
    };
  });
}

const VALKEY_STATES: ReadonlyMap<string, AtomicTask['state']> = new Map([
  ['success', 'done'],
  ['cancelled', 'cancelled'],
  ['failed', 'failed'],
]);

/** Whether a node is still taking away keys of slots that it has given away, key by key (Redis does so where clients cache on their side). */
export function isTrimming(clusterInfo: InfoFields): boolean {
  return (clusterInfo.get('cluster_slot_migration_active_trim_running') ?? '0') !== '0';
}

const ID = /^[0-9a-f]{40}$/;
const WORD = /^[a-z][a-z-]{0,39}$/;
const RANGE = /^(\d{1,5})(?:-(\d{1,5}))?$/;
/** What a node says went wrong is shown to people: no more of it than they would read. */
const LONGEST_TEXT = 400;

/** The fields of one task. Every reader refuses what it cannot read. */
class Row {
  constructor(
    private readonly fields: ReadonlyMap<string, unknown>,
    private readonly command: string,
  ) {}

  has(name: string): boolean {
    return this.fields.has(name);
  }

  text(name: string): string {
    const value = this.fields.get(name);
    if (typeof value !== 'string') throw this.unreadable(name);
    return visibleLine(value.slice(0, LONGEST_TEXT));
  }

  id(name: string): string {
    return this.matched(name, ID);
  }

  word(name: string): string {
    return this.matched(name, WORD);
  }

  count(name: string): number {
    const value = this.fields.get(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.unreadable(name);
    return value;
  }

  /** At least one, in order, none twice. */
  ranges(name: string): SlotRange[] {
    const value = this.fields.get(name);
    if (typeof value !== 'string') throw this.unreadable(name);
    const ranges = value
      .split(' ')
      .map((word): SlotRange => {
        const [, from, to = from] = RANGE.exec(word) ?? [];
        const range = [Number(from), Number(to)] as const;
        if (!(range[0] <= range[1] && range[1] < SLOT_COUNT)) throw this.unreadable(name);
        return range;
      })
      .sort((a, b) => a[0] - b[0]);
    if (ranges.some(([from], i) => from <= (ranges[i - 1]?.[1] ?? -1))) throw this.unreadable(name);
    return ranges;
  }

  unreadable(name: string): UnreadableAnswer {
    const value = this.fields.get(name);
    return new UnreadableAnswer(this.command, `${name}: ${typeof value === 'string' ? value : typeof value}`);
  }

  private matched(name: string, pattern: RegExp): string {
    const value = this.fields.get(name);
    if (typeof value !== 'string' || !pattern.test(value)) throw this.unreadable(name);
    return value;
  }
}

function oneOf<T>(row: Row, name: string, choices: Readonly<Record<string, T>>): T {
  const choice = new Map(Object.entries(choices)).get(row.text(name));
  if (choice === undefined) throw row.unreadable(name);
  return choice;
}

/** RESP2 has no maps: name and value by turns. */
function rowsOf(answer: unknown, command: string): Row[] {
  if (!Array.isArray(answer)) throw new UnreadableAnswer(command, typeof answer);
  return answer.map((flat: unknown) => {
    if (!Array.isArray(flat) || flat.length % 2 !== 0) throw new UnreadableAnswer(command, 'a task that is no map');
    const fields = new Map<string, unknown>();
    for (let i = 0; i < flat.length; i += 2) {
      const name: unknown = flat[i];
      if (typeof name !== 'string' || fields.has(name)) throw new UnreadableAnswer(command, 'a field without a name');
      fields.set(name, flat[i + 1]);
    }
    return new Row(fields, command);
  });
}
