import { setTimeout as sleep } from 'node:timers/promises';
import { FAILURES, ForgeError, joinTexts } from '../../domain/errors.js';
import { attempts } from '../../domain/in-parallel.js';
import { hostsAtWork, specForHost } from '../../domain/nodes.js';
import { READ_TRIES } from '../../domain/reads.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { HostsStep, LeasesRequest, MembersRequest } from '../../domain/steps.js';
import type { HostOutcome } from '../../domain/survey.js';
import type { HostActivities } from './activities.js';

/** What is done to one host, and is done to all of them here. */
export type OnOneHost = Pick<HostActivities, 'surveyHost' | 'takeLease' | 'releaseLease' | 'recordIdentities'>;

/**
 * What every operation does on every host, in one activity each, hosts side by side: a history does not grow with the hosts by what nobody looks at one by one. Each can
 * be asked again as its part for one host can; where some hosts fail the others come to their end first, and the failure says all that went wrong.
 */
export function createAllHostsActivities(one: OnOneHost) {
  return {
    surveyHosts: (input: { spec: ClusterSpec }) => surveyHosts(one, input),
    takeLeases: (request: LeasesRequest) => takeLeases(one, request),
    releaseLeases: (step: HostsStep) => releaseLeases(one, step),
    recordMembers: (request: MembersRequest) => recordMembers(one, request),
  };
}

export type AllHostsActivities = ReturnType<typeof createAllHostsActivities>;

/** Between two tries of a look at a host. */
const AGAIN_MS = 250;

/** Asks all hosts, before anything is changed. A host that cannot be asked is part of the answer, after a second try where that may help. Only reads. */
async function surveyHosts(one: OnOneHost, { spec }: { spec: ClusterSpec }): Promise<HostOutcome[]> {
  const outcomes = new Map<string, HostOutcome>();
  const failed = await attempts(hostsAtWork(spec), { width: widthOf(spec) }, async ({ name: host }) => {
    outcomes.set(host, await surveyOutcome(one, { spec: specForHost(spec, host), host }, READ_TRIES));
  });
  if (failed.length > 0) throw failed[0];
  return spec.hosts.flatMap(({ name }) => outcomes.get(name) ?? []);
}

/** What a host says of itself, or why it could not be asked. */
export async function surveyOutcome(
  one: Pick<OnOneHost, 'surveyHost'>,
  input: { readonly spec: ClusterSpec; readonly host: string },
  tries: number,
): Promise<HostOutcome> {
  const { host } = input;
  try {
    return { host, surveyed: true, survey: await one.surveyHost(input) };
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    if (!FAILURES[error.type].retry || tries <= 1) {
      return { host, surveyed: false, failure: error.type, what: error.text.what, next: error.text.next };
    }
    await sleep(AGAIN_MS);
    return surveyOutcome(one, input, tries - 1);
  }
}

/**
 * Takes the lease of every host at work. Throws ForgeError, those of one host; its `done` are the hosts whose lease may have been taken, by this attempt or one before:
 * all but those that refused.
 */
async function takeLeases(one: OnOneHost, { spec, lease, seen, breakLease }: LeasesRequest): Promise<void> {
  const hosts = hostsAtWork(spec).map(({ name }) => name);
  await onEach({ spec, hosts, decides: 'lasting' }, async (host) => {
    const known = seen[host] === undefined ? {} : { seen: seen[host] };
    const broken = breakLease === undefined ? {} : { breakLease };
    await one.takeLease({ spec: specForHost(spec, host), host, lease, ...known, ...broken });
  });
}

/** Gives the leases of these hosts back; one that fails keeps no other one, and while one may still be given back it is asked again. */
async function releaseLeases(one: OnOneHost, { spec, hosts, token }: HostsStep): Promise<void> {
  await onEach({ spec, hosts, decides: 'passing' }, async (host) => {
    await one.releaseLease({ spec: specForHost(spec, host), host, token });
  });
}

/** What Redis cannot hold of itself: each host remembers which nodes are members on it. */
async function recordMembers(one: OnOneHost, { spec, identities, token }: MembersRequest): Promise<void> {
  const hosts = hostsAtWork(spec);
  await onEach({ spec, hosts: hosts.map(({ name }) => name), decides: 'lasting' }, async (host) => {
    const nodes = hosts.find(({ name }) => name === host)?.nodes ?? [];
    // Who leaves and does not answer has none.
    const known = nodes.flatMap(({ port }) => {
      const id = identities[`${host}:${port}`];
      return id === undefined ? [] : [[`${port}`, id] as const];
    });
    await one.recordIdentities({ spec: specForHost(spec, host), host, identities: Object.fromEntries(known), token });
  });
}

interface Each {
  readonly spec: ClusterSpec;
  readonly hosts: readonly string[];
  /** Which failure is told where there are both kinds: all is asked again where it may pass. */
  readonly decides: 'lasting' | 'passing';
}

/** Throws ForgeError where some fail, when all have come to their end; its `done` are all but those that refused. */
async function onEach({ spec, hosts, decides }: Each, work: (host: string) => Promise<void>): Promise<void> {
  const refused = new Set<string>();
  const failures = await attempts(hosts, { width: widthOf(spec), after: 'go-on' }, async (host) => {
    try {
      await work(host);
    } catch (error) {
      if (error instanceof ForgeError && lasts(error)) refused.add(host);
      throw error;
    }
  });
  if (failures.length === 0) return;
  const named = failures.filter((failure) => failure instanceof ForgeError);
  const first = named.find((failure) => lasts(failure) === (decides === 'lasting')) ?? named[0];
  // A bug among them is not covered up.
  if (first === undefined || named.length < failures.length) {
    throw failures.find((failure) => !(failure instanceof ForgeError));
  }
  const done = hosts.filter((host) => !refused.has(host));
  throw new ForgeError(first.type, joinTexts(named.map(({ text }) => text)), { done });
}

function lasts({ type }: ForgeError): boolean {
  return !FAILURES[type].retry;
}

function widthOf({ timings }: ClusterSpec): number {
  return timings.hostParallelism;
}
