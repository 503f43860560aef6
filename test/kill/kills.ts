import type { LabDriverName } from '../../lab/driver.js';
import type { Chance } from './chance.js';

/**
 * Who is killed: the worker that is at it, both workers at once, the Temporal server, every SSH connection to the hosts, or the host that is worked on,
 * whose power is cut and comes back; or a node of Redis's.
 */
export type Victim = 'worker' | 'both workers' | 'temporal' | 'ssh' | 'host' | NodeVictim;

/** A master that gives slots, one that gets them, or a replica of either. */
export type NodeVictim = (typeof NODE_VICTIMS)[number];

export const NODE_VICTIMS = ['source', 'target', 'replica'] as const;

/**
 * Before the effect; after it and before the report; after the report was kept by the server; or so many milliseconds after the activity began,
 * whatever it is doing then.
 */
export type Moment = 'before' | 'after' | 'reported' | { readonly afterMs: number };

/** A kill at the n-th call of an activity in one operation, counted over all workers and attempts, from 1. */
export interface Kill {
  readonly victim: Victim;
  readonly activity: string;
  readonly call: number;
  readonly moment: Moment;
}

/** How often an undisturbed run of the operation calls each activity: every one of these calls can be hit in a disturbed run, too. */
export type Calls = Readonly<Record<string, number>>;

/** Most die at a failpoint; commands on hosts last some ten milliseconds, so a delay of up to 120 hits them in the middle. */
const MOMENTS = ['before', 'before', 'after', 'after', 'reported', 'during', 'during'] as const;
const LONGEST_DELAY_MS = 120;
const VICTIMS: Readonly<Record<LabDriverName, readonly Victim[]>> = {
  process: ['worker', 'worker', 'worker', 'worker', 'worker', 'both workers', 'temporal', 'ssh'],
  container: ['host', 'host', 'host', 'worker'],
};

export interface KillRequest {
  readonly chance: Chance;
  readonly calls: Calls;
  readonly count: number;
  readonly hosts: LabDriverName;
  /** Where the operation can go on when the host that is worked on loses its power. */
  readonly survivesReboot: readonly string[];
  /** Who may be killed, each as often as it stands here; those of the hosts where nothing is said. */
  readonly victims?: readonly Victim[];
  /** How many times as often as the others the calls of an activity are drawn; once where nothing is said. */
  readonly favoured?: Readonly<Record<string, number>>;
  /** Of a kill in the middle of an activity, milliseconds. */
  readonly longestDelayMs?: number;
}

/** Draws kills for one run, no two at the same call of the same activity. */
export function drawKills(request: KillRequest): Kill[] {
  const { chance, calls, count, hosts, survivesReboot, victims = VICTIMS[hosts], favoured = {} } = request;
  const points = Object.entries(calls).flatMap(([activity, times]) =>
    Array.from({ length: times }, (_, i) => ({ activity, call: i + 1 })),
  );
  const urn = points.flatMap((point) => Array<typeof point>(favoured[point.activity] ?? 1).fill(point));
  const kills: Kill[] = [];
  while (kills.length < Math.min(count, points.length)) {
    const point = chance.pick(urn);
    if (kills.some(({ activity, call }) => activity === point.activity && call === point.call)) continue;
    const victim = chance.pick(victims);
    if (victim === 'host' && !survivesReboot.includes(point.activity)) continue;
    const moment = drawMoment(chance, request.longestDelayMs);
    // After the last report of its kind the next one is at work, which has to survive that, too.
    const isLast = calls[point.activity] === point.call;
    if (victim === 'host' && moment === 'reported' && isLast) continue;
    kills.push({ ...point, victim, moment });
  }
  return kills;
}

function drawMoment(chance: Chance, longestDelayMs = LONGEST_DELAY_MS): Moment {
  const drawn = chance.pick(MOMENTS);
  return drawn === 'during' ? { afterMs: 1 + chance.below(longestDelayMs) } : drawn;
}

/** `worker, after startNode #2`. */
export function killWords({ victim, activity, call, moment }: Kill): string {
  const when = typeof moment === 'string' ? moment : `${moment.afterMs} ms into`;
  return `${victim}, ${when} ${activity} #${call}`;
}
