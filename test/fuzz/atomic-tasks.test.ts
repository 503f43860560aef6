import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AtomicTask, parseRedisTasks, parseValkeyTasks } from '../../domain/atomic-tasks.js';
import { eachSlot } from '../../domain/ownership.js';
import { UnreadableAnswer } from '../../domain/unreadable.js';
import { hostileNumber, hostileText } from './hostile.js';
import { type Check, holds, notices, SEED } from './seeded.js';

const [ID, A, B] = ['1', 'a', 'b'].map((digit) => digit.repeat(40)) as [string, string, string];

const REDIS = [
  ...['id', ID, 'slots', '0-99 200-200', 'source', A, 'dest', B, 'operation', 'import', 'state', 'connecting'],
  ...['last_error', 'Main channel', 'retries', 3, 'create_time', 1, 'start_time', 2, 'end_time', -1],
];
const VALKEY = [
  ...['name', ID, 'operation', 'EXPORT', 'slot_ranges', '0-99 200-200', 'target_node', B, 'source_node', A],
  ...['create_time', 1, 'state', 'snapshotting', 'message', 'Connection lost', 'remaining_repl_size', 9],
];

interface Blow {
  readonly at: number;
  readonly kind: 'replace' | 'drop' | 'repeat';
  readonly value: unknown;
}

const WORDS = [...REDIS, ...VALKEY, 'failed', 'success', '__proto__', 'constructor', '16384', '5-1', '0-99 50-60', ''];
const blow: fc.Arbitrary<Blow> = fc.record({
  at: fc.nat(40),
  kind: fc.constantFrom('replace', 'replace', 'replace', 'drop', 'repeat'),
  value: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<unknown>(...WORDS) },
    { weight: 2, arbitrary: hostileText },
    hostileNumber,
    fc.constantFrom<unknown>(null, undefined, [], {}, -1, 1.5, Number.NaN, 2 ** 60, true),
  ),
});
const inputs = fc.array(blow, { minLength: 1, maxLength: 3 });

function damaged(fields: readonly unknown[], blows: readonly Blow[]): unknown[] {
  return blows.reduce<unknown[]>(
    (before, { at, kind, value }) => {
      const place = at % Math.max(1, before.length);
      const piece =
        kind === 'replace' ? [value] : kind === 'drop' ? [] : before.slice(place, place + 2).concat([value]);
      return [...before.slice(0, place), ...piece, ...before.slice(place + 1)];
    },
    [...fields],
  );
}

type Parse = (answer: unknown) => AtomicTask[];

function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** What a terminal would. */
const ACTED_ON = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const STATES = ['running', 'retrying', 'done', 'cancelled', 'failed'];

/** It is refused, or read as what can be worked with and shown. */
function isUnderstood(parse: Parse, fields: readonly unknown[]): Check<readonly Blow[]> {
  return (blows) => {
    for (const task of readOrRefused(() => parse([damaged(fields, blows)]))) {
      expect([task.id, task.sourceId ?? A, task.targetId ?? B].join()).toMatch(/^([0-9a-f]{40},){2}[0-9a-f]{40}$/);
      const slots = [...eachSlot(task.ranges)];
      expect(slots.length).toBe(new Set(slots).size);
      expect(slots.every((slot) => Number.isInteger(slot) && slot >= 0 && slot < 16_384)).toBe(true);
      expect(slots.length > 0 && STATES.includes(task.state)).toBe(true);
      expect(Number.isSafeInteger(task.retries) && task.retries >= 0).toBe(true);
      expect(task.error + task.stage).not.toMatch(ACTED_ON);
    }
  };
}

function readOrRefused(read: () => AtomicTask[]): AtomicTask[] {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UnreadableAnswer)) throw error;
    expect(error.message).not.toMatch(ACTED_ON);
    return [];
  }
}

describe.each<[string, Parse, readonly unknown[], string]>([
  ['CLUSTER MIGRATION STATUS', parseRedisTasks, REDIS, 'last_error'],
  ['CLUSTER GETSLOTMIGRATIONS', parseValkeyTasks, VALKEY, 'message'],
])(`tasks of %s (seed ${SEED})`, (_, parse, fields, errorField) => {
  it('are sound as these tests write them', () => {
    expect(parse([fields])).toHaveLength(1);
  });

  it('are refused or understood, whatever came in between', () => holds(inputs, isUnderstood(parse, fields)));

  it.each<[string, (task: AtomicTask, damagedFields: readonly unknown[]) => AtomicTask]>([
    ['words were taken as they are', (task, all) => ({ ...task, error: textIn(all[all.indexOf(errorField) + 1]) })],
    [
      'slots were not checked',
      (task, all) => ({ ...task, ranges: [[0, Number(all.find((one) => one === '16384') ?? 9)]] }),
    ],
  ])('would be noticed if %s', (_what, change) =>
    notices(
      inputs,
      isUnderstood((answer) => {
        const [all = []] = answer as unknown[][];
        return parse([fields]).map((task) => change(task, all));
      }, fields),
    ),
  );
});
