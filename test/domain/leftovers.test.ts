import { describe, expect, it } from 'vitest';
import { fenceUsersUpTo } from '../../domain/fence.js';
import {
  fenceFindings,
  generationOver,
  hostFindings,
  type HostLeftovers,
  type JobLeft,
  type RunState,
} from '../../domain/leftovers.js';
import type { Lease } from '../../domain/survey.js';

const LEASE: Lease = {
  generation: 7,
  server: 'ns-1',
  workflowId: 'cluster/orders/operation',
  runId: 'run-7',
  operation: 'apply',
  actor: 'anna',
  since: '2026-11-21T08:00:00Z',
};

interface Change extends Partial<Omit<HostLeftovers, 'record'>> {
  readonly lease?: Lease;
  readonly generation?: number;
  readonly helperSha256?: string | null;
}

/** A host with nothing left on it. */
function hostWith({ lease, generation = 7, helperSha256 = 'h', ...change }: Change = {}): HostLeftovers {
  const cluster = { name: 'orders', uid: 'u' };
  return {
    host: 'h1',
    record: { helperSha256, cluster, generation, lease: lease ?? null, identities: {} },
    jobs: [],
    unfinished: [],
    homes: ['6379'],
    journalBytes: 1000,
    refusalBytes: 0,
    ...change,
  };
}

function found(host: HostLeftovers, runs: Record<string, RunState> = {}) {
  const findings = hostFindings({ declared: { h1: ['6379'] }, helperSha256: 'h', hosts: [host], runs });
  return findings.map(({ severity, what, cleaned }) => ({ severity, what, cleaned }));
}

const JOB: JobLeft = { name: 'fetch', state: 'running', pid: 12, generation: 6, run: 'run-6' };

describe('what a host has left', () => {
  it('is nothing on a host that is as it should be', () => {
    expect(found(hostWith())).toEqual([]);
  });

  it.each<[RunState, string, string]>([
    ['open', 'note', 'not'],
    ['closed', 'problem', 'by --clean'],
    ['unknown', 'problem', 'not'],
  ])('is a lease whose run is %s', (state, severity, cleaned) => {
    const [finding] = found(hostWith({ lease: LEASE }), { 'run-7': state });
    expect(finding).toMatchObject({ severity, cleaned });
    expect(finding?.what).toContain('apply by anna since 2026-11-21T08:00:00Z (run run-7, generation 7)');
  });

  it('is a lease of which nobody was asked', () => {
    expect(found(hostWith({ lease: LEASE }))).toMatchObject([{ severity: 'problem', cleaned: 'not' }]);
  });

  it.each<[string, Change, Record<string, RunState>, object[]]>([
    ['of an ended operation', { jobs: [JOB] }, {}, [{ severity: 'problem', cleaned: 'by --clean' }]],
    ['that has ended', { jobs: [{ ...JOB, state: 'exited' }] }, {}, [{ severity: 'note', cleaned: 'by --clean' }]],
    ['of a person', { jobs: [{ ...JOB, run: 'by-hand:anna' }] }, {}, [{ severity: 'note', cleaned: 'not' }]],
    [
      'of the operation that works there',
      { jobs: [{ ...JOB, generation: 7 }], lease: LEASE },
      { 'run-7': 'open' },
      [{ severity: 'note', cleaned: 'not' }],
    ],
    [
      'of one before the operation that works there',
      { jobs: [JOB], lease: LEASE },
      { 'run-7': 'open' },
      [{ severity: 'note' }, { severity: 'note', cleaned: 'not' }],
    ],
  ])('is a job %s', (_, change, runs, expected) => {
    expect(found(hostWith(change), runs)).toMatchObject(expected);
  });

  it('is an old unfinished file, and not one that may be written just now', () => {
    const unfinished = [
      { path: 'record/lease.new', ageSeconds: 7200 },
      { path: 'bin/.incoming.x', ageSeconds: 5 },
    ];
    expect(found(hostWith({ unfinished }))).toEqual([
      {
        severity: 'note',
        what: 'record/lease.new was begun 120 minutes ago and never finished.',
        cleaned: 'by --clean',
      },
    ]);
  });

  it('is a node that the spec does not declare, a large journal, a helper of another version', () => {
    const host = hostWith({ homes: ['6379', '6380'], journalBytes: 20 * 2 ** 20, helperSha256: 'other' });
    expect(found(host).map(({ what }) => what)).toEqual([
      'The journal has 20 MiB.',
      'nodes/6380 is a node that the spec does not declare.',
      'Its helper is of another version (sha256 other, this one has h).',
    ]);
  });
});

describe('the newest generation that is over', () => {
  const other = hostWith({ host: 'h2', generation: 8 });
  it.each<[string, HostLeftovers[], Record<string, RunState>, number]>([
    ['is the highest where nobody works', [hostWith(), other], {}, 8],
    ['is the highest where the last one has ended', [hostWith({ lease: LEASE }), other], { 'run-7': 'closed' }, 8],
    ['is below one that is open', [hostWith({ lease: LEASE }), other], { 'run-7': 'open' }, 6],
    ['is below one of which nobody knows', [hostWith({ lease: LEASE }), other], {}, 6],
  ])('%s', (_, hosts, runs, over) => {
    expect(generationOver({ hosts, runs })).toBe(over);
  });
});

describe('fence users on nodes', () => {
  it('are named where their operation is over, and nothing is said of a node that cannot be asked', () => {
    const users = ['app', 'redisforge-fence-6-0a1b2c3d-1', 'redisforge-fence-9-0a1b2c3d-1'];
    const findings = fenceFindings(
      [
        ['h1:6379', users],
        ['h2:6379', null],
        ['h3:6379', ['app']],
      ],
      (all) => fenceUsersUpTo(8, all),
    );
    expect(findings.map(({ about, what }) => [about, what])).toEqual([
      ['h1:6379', 'Ended operations left a fence user there: redisforge-fence-6-0a1b2c3d-1.'],
    ]);
  });
});
