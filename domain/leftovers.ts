import type { HostRecord } from './survey.js';

/** What a host has beside its nodes and their data. */
export interface HostLeftovers {
  readonly host: string;
  readonly record: HostRecord;
  readonly jobs: readonly JobLeft[];
  /** Files that are put beside their place until they are whole. */
  readonly unfinished: readonly { readonly path: string; readonly ageSeconds: number }[];
  /** Ports that have a folder. */
  readonly homes: readonly string[];
  readonly journalBytes: number;
  readonly refusalBytes: number;
}

export interface JobLeft {
  readonly name: string;
  /** As the helper says it: running, exited, stopped, lost. */
  readonly state: string;
  readonly pid: number | null;
  readonly generation: number;
  /** The run that started it, or `by-hand:NAME`. */
  readonly run: string;
}

/** What became of the run that a lease names. `unknown`: this Temporal server cannot say. */
export type RunState = 'open' | 'closed' | 'unknown';

/** A node's fence users, or `null` where it cannot be asked. */
export type FencesOnNode = readonly [node: string, users: readonly string[] | null];

export interface Finding {
  readonly area: 'temporal' | 'hosts' | 'redis';
  /** `problem`: something has to be done. `note`: it helps to know it. */
  readonly severity: 'problem' | 'note';
  /** Of this host or node, where it is of one. */
  readonly about?: string;
  readonly what: string;
  readonly next: string;
  /** Whether `doctor --clean` takes it away. */
  readonly cleaned: 'by --clean' | 'not';
}

/** An hour: nothing of ours takes that long to write a file. */
export const UNFINISHED_AGE_SECONDS = 3600;

/** Read as a whole by `ops` and people; it grows by some 100 bytes for each effect. */
const LARGE_JOURNAL_BYTES = 16 * 2 ** 20;

export interface LeftoverFacts {
  /** Ports that the spec declares, by host. */
  readonly declared: Readonly<Record<string, readonly string[]>>;
  readonly helperSha256: string;
  readonly hosts: readonly HostLeftovers[];
  /** By run ID. */
  readonly runs: Readonly<Record<string, RunState>>;
}

/** What hosts have of ended operations and of nobody, with what to do. */
export function hostFindings(facts: LeftoverFacts): Finding[] {
  return facts.hosts.flatMap((host) => [
    ...leaseFindings(host, facts.runs),
    ...jobFindings(host, facts.runs),
    ...fileFindings(host),
    ...folderFindings(host, facts.declared[host.host] ?? []),
    ...helperFindings(host, facts.helperSha256),
  ]);
}

const hostFinding = (host: string, finding: Omit<Finding, 'area' | 'about'>): Finding => ({
  area: 'hosts',
  about: host,
  ...finding,
});

function leaseFindings({ host, record: { lease } }: HostLeftovers, runs: LeftoverFacts['runs']): Finding[] {
  if (lease === null) return [];
  const state = runs[lease.runId] ?? 'unknown';
  const whose = `${lease.operation} by ${lease.actor} since ${lease.since} (run ${lease.runId}, generation ${lease.generation})`;
  switch (state) {
    case 'open':
      return [
        hostFinding(host, {
          severity: 'note',
          what: `An operation works here: ${whose}.`,
          next: 'Follow it with `redisforge ops watch`.',
          cleaned: 'not',
        }),
      ];
    case 'closed':
      return [
        hostFinding(host, {
          severity: 'problem',
          what: `The lease of a run that has ended was not released: ${whose}.`,
          next: 'Run `redisforge apply`, which takes it over, or `redisforge doctor --clean`.',
          cleaned: 'by --clean',
        }),
      ];
    case 'unknown':
      return [
        hostFinding(host, {
          severity: 'problem',
          what: `A lease is held by a run that this Temporal server cannot speak of: ${whose}, on the server with namespace ${lease.server}.`,
          next: `Ask ${lease.actor}, or that server. Only where it can never go on: redisforge apply --break-lease ${lease.runId}`,
          cleaned: 'not',
        }),
      ];
    default:
      return state satisfies never;
  }
}

/** Jobs of an operation that still works are its own business; one that cannot be asked about counts as such. */
function jobFindings({ host, jobs, record: { lease } }: HostLeftovers, runs: LeftoverFacts['runs']): Finding[] {
  const held = lease !== null && runs[lease.runId] !== 'closed';
  return jobs.flatMap(({ name, state, pid, generation, run }) => {
    const job = `job ${name} (${state}${pid === null ? '' : ` pid ${pid}`}, generation ${generation}, run ${run})`;
    if (run.startsWith('by-hand:')) {
      const next = `Ask who started it; \`redisforge-host --by-hand NAME job stop ${name} 10000\`, then \`job clean ${name}\`.`;
      return [hostFinding(host, { severity: 'note', what: `A person's ${job}.`, next, cleaned: 'not' })];
    }
    if (held && lease.generation === generation) return [];
    if (held) {
      const next = 'Clean again when the operation that works here has ended.';
      return [hostFinding(host, { severity: 'note', what: `An ended operation left ${job}.`, next, cleaned: 'not' })];
    }
    return [
      hostFinding(host, {
        severity: state === 'running' ? 'problem' : 'note',
        what: `An ended operation left ${job}.`,
        next: 'The next operation ends it and starts its own; `redisforge doctor --clean` does so now.',
        cleaned: 'by --clean',
      }),
    ];
  });
}

function fileFindings({ host, unfinished, journalBytes }: HostLeftovers): Finding[] {
  const old = unfinished.filter(({ ageSeconds }) => ageSeconds >= UNFINISHED_AGE_SECONDS);
  const left = old.map(({ path, ageSeconds }) =>
    hostFinding(host, {
      severity: 'note',
      what: `${path} was begun ${Math.floor(ageSeconds / 60)} minutes ago and never finished.`,
      next: "It is in nobody's way; `redisforge doctor --clean` removes it.",
      cleaned: 'by --clean',
    }),
  );
  if (journalBytes < LARGE_JOURNAL_BYTES) return left;
  const what = `The journal has ${Math.round(journalBytes / 2 ** 20)} MiB.`;
  const next = 'Keep a copy of record/journal elsewhere, then cut it with `tail` while no operation runs.';
  return [...left, hostFinding(host, { severity: 'note', what, next, cleaned: 'not' })];
}

function folderFindings({ host, homes }: HostLeftovers, declared: readonly string[]): Finding[] {
  return homes
    .filter((port) => !declared.includes(port))
    .map((port) =>
      hostFinding(host, {
        severity: 'problem',
        what: `nodes/${port} is a node that the spec does not declare.`,
        next: 'Declare it again, or see with `redisforge-host node status` and its data folder whether it may go; nothing removes it by itself.',
        cleaned: 'not',
      }),
    );
}

function helperFindings({ host, record }: HostLeftovers, wanted: string): Finding[] {
  if (record.helperSha256 === null || record.helperSha256 === wanted) return [];
  return [
    hostFinding(host, {
      severity: 'note',
      what: `Its helper is of another version (sha256 ${record.helperSha256.slice(0, 12)}, this one has ${wanted.slice(0, 12)}).`,
      next: 'The next operation that changes something brings this version.',
      cleaned: 'not',
    }),
  ];
}

/**
 * The newest generation that surely is over: below every lease that may be at work; the highest of all where none is. Of a host that cannot be asked
 * nothing is known, so nothing is surely over.
 */
export function generationOver({ hosts, runs }: Pick<LeftoverFacts, 'hosts' | 'runs'>): number {
  const working = hosts.flatMap(({ record: { lease } }) =>
    lease !== null && runs[lease.runId] !== 'closed' ? [lease.generation - 1] : [],
  );
  const highest = Math.max(0, ...hosts.map(({ record }) => record.generation));
  return Math.min(highest, ...working);
}

/** Fence users by node, with what to do about those of ended operations. */
export function fenceFindings(
  fences: readonly FencesOnNode[],
  over: (users: readonly string[]) => string[],
): Finding[] {
  return fences.flatMap(([node, users]): Finding[] => {
    const left = over(users ?? []);
    if (left.length === 0) return [];
    return [
      {
        area: 'redis',
        about: node,
        severity: 'problem',
        what: `Ended operations left ${left.length === 1 ? 'a fence user' : 'fence users'} there: ${left.join(', ')}.`,
        next: 'The next operation deletes them; `redisforge doctor --clean` does so now.',
        cleaned: 'by --clean',
      },
    ];
  });
}
