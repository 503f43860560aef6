import { describe, expect, it } from 'vitest';
import { endedItsPause, isTrimming, isUnderWay, parseRedisTasks, parseValkeyTasks } from '../../domain/atomic-tasks.js';
import { parseInfo } from '../../domain/parse-info.js';
import { UnreadableAnswer } from '../../domain/unreadable.js';

const [ID, A, B] = ['1', 'a', 'b'].map((digit) => digit.repeat(40)) as [string, string, string];

/** As RESP2 has it: name and value by turns. */
function redisTask(change: Readonly<Record<string, unknown>> = {}): unknown[] {
  const fields = {
    ...{ id: ID, slots: '0-4095 5000-5000', source: A, dest: B, operation: 'import', state: 'streaming-buffer' },
    ...{ last_error: '', retries: 0, create_time: 1, start_time: 2, end_time: -1, write_pause_ms: 0 },
    ...change,
  };
  return Object.entries(fields).flat();
}

function valkeyTask(change: Readonly<Record<string, unknown>> = {}): unknown[] {
  const fields = {
    ...{ name: ID, operation: 'EXPORT', slot_ranges: '5000-5000 0-4095', target_node: B, source_node: A },
    ...{ create_time: 1, last_update_time: 2, last_ack_time: 2, state: 'snapshotting', message: '' },
    ...{ cow_size: 0, remaining_repl_size: 0, ...change },
  };
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .flat();
}

const RANGES = [
  [0, 4095],
  [5000, 5000],
];

describe('CLUSTER MIGRATION STATUS', () => {
  it('is read', () => {
    expect(parseRedisTasks([redisTask(), redisTask({ operation: 'migrate', state: 'send-stream' })])).toEqual([
      {
        ...{ id: ID, side: 'import', ranges: RANGES, sourceId: A, targetId: B, state: 'running' },
        ...{ stage: 'streaming-buffer', error: '', retries: 0 },
      },
      expect.objectContaining({ side: 'export', state: 'running', stage: 'send-stream' }),
    ]);
    expect(parseRedisTasks([])).toEqual([]);
  });

  it.each([
    ['import', 'none', 'running', true],
    ['import', 'failed', 'retrying', true],
    ['migrate', 'failed', 'failed', false],
    ['import', 'completed', 'done', false],
    ['migrate', 'canceled', 'cancelled', false],
    ['import', 'a-state-of-tomorrow', 'running', true],
    ['import', 'constructor', 'running', true],
  ])('takes a task that is %s, %s for %s', (operation, stage, state, underWay) => {
    const [task] = parseRedisTasks([redisTask({ operation, state: stage, last_error: 'Main channel', retries: 3 })]);
    expect(task).toMatchObject({ state, stage, error: 'Main channel', retries: 3 });
    expect(task !== undefined && isUnderWay(task)).toBe(underWay);
  });
});

describe('CLUSTER GETSLOTMIGRATIONS', () => {
  it('is read', () => {
    expect(parseValkeyTasks([valkeyTask()])).toEqual([
      {
        ...{ id: ID, side: 'export', ranges: RANGES, sourceId: A, targetId: B, state: 'running' },
        ...{ stage: 'snapshotting', error: '', retries: 0 },
      },
    ]);
  });

  it.each([
    ['EXPORT', 'failed', 'failed'],
    ['EXPORT', 'success', 'done'],
    ['IMPORT', 'cancelled', 'cancelled'],
    ['IMPORT', 'cleaning-up', 'running'],
    ['IMPORT', 'toString', undefined],
  ])('takes a job that is %s, %s for %s', (operation, stage, state) => {
    const read = () => parseValkeyTasks([valkeyTask({ operation, state: stage })])[0]?.state;
    if (state === undefined) expect(read).toThrow(UnreadableAnswer);
    else expect(read()).toBe(state);
  });

  it.each([
    ['EXPORT', 'failed', 'Unpaused before migration completed (migration may have succeeded with lost writes)', true],
    ['EXPORT', 'failed', 'Unpaused before failover completed', false],
    ['EXPORT', 'failed', 'Connection lost to target', false],
    ['IMPORT', 'failed', 'Unpaused before migration completed', false],
    ['EXPORT', 'success', '', false],
  ])('tells of an %s that %s (%s) whether its source answered too early: %s', (operation, state, message, ended) => {
    expect(parseValkeyTasks([valkeyTask({ operation, state, message })]).map(endedItsPause)).toEqual([ended]);
  });

  it('knows no ends where a node only keeps track for its master', () => {
    const [task] = parseValkeyTasks([
      valkeyTask({ target_node: undefined, source_node: undefined, state: 'occurring-on-primary' }),
    ]);
    expect(task).toMatchObject({ sourceId: null, targetId: null, state: 'running' });
  });
});

describe.each([
  ['CLUSTER MIGRATION STATUS', parseRedisTasks, redisTask, { ranges: 'slots', id: 'id', error: 'last_error' }],
  ['CLUSTER GETSLOTMIGRATIONS', parseValkeyTasks, valkeyTask, { ranges: 'slot_ranges', id: 'name', error: 'message' }],
] as const)('%s', (_, parse, task, names) => {
  it.each<[string, unknown]>([
    ['a text', 'OK'],
    ['nothing', null],
    ['a task that is a text', ['id']],
    ['a name without a value', [['id', ID, 'slots']]],
    ['a field twice', [[...task(), names.id, ID]]],
    ['a field that is missing', [task({ state: undefined })]],
    ['an ID that is none', [task({ [names.id]: 'x'.repeat(40) })]],
    ['a state that is no word', [task({ state: 'do\u001b[2J' })]],
    ['another operation', [task({ operation: 'valueOf' })]],
    ['no range', [task({ [names.ranges]: '' })]],
    ['a slot that is none', [task({ [names.ranges]: '0-16384' })]],
    ['a range that goes back', [task({ [names.ranges]: '5-1' })]],
    ['ranges that overlap', [task({ [names.ranges]: '0-9 9-12' })]],
    ['a range of words', [task({ [names.ranges]: 'NaN-Infinity' })]],
    ['an error that is a list', [task({ [names.error]: ['x'] })]],
  ])('is refused where it is %s', (_what, answer) => {
    expect(() => parse(answer)).toThrow(UnreadableAnswer);
  });

  it('is shown without what a terminal would act on, and not at any length', () => {
    const [read] = parse([task({ [names.error]: `\u001b[2J${'x'.repeat(10_000)}` })]);
    expect(read?.error.startsWith('\\u001b[2Jxxx')).toBe(true);
    expect(read?.error.length).toBeLessThan(1000);
  });

  it('may name any number of ranges', () => {
    const ranges = Array.from({ length: 8000 }, (_none, i) => `${2 * i}-${2 * i}`).join(' ');
    expect(parse([task({ [names.ranges]: ranges })])[0]?.ranges).toHaveLength(8000);
  });
});

it('a node trims where it says so', () => {
  expect(isTrimming(parseInfo('cluster_slot_migration_active_trim_running:1\r\n'))).toBe(true);
  expect(isTrimming(parseInfo('cluster_slot_migration_active_trim_running:0\r\n'))).toBe(false);
  expect(isTrimming(parseInfo('cluster_state:ok\r\n'))).toBe(false);
});
