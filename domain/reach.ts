import { type ApplyWorld, everFormed } from './apply-world.js';
import type { Refusal } from './plan.js';
import type { ClusterSpec } from './spec.js';
import type { HostOutcome, HostSurvey } from './survey.js';

/** The cluster bus of a node is this much above its port. */
const BUS_OFFSET = 10_000;

/** What the exam of the ports does with one host. */
export interface ReachHost {
  readonly host: string;
  /** Ports that nobody listens on yet: the host listens there while the exam lasts. */
  readonly listen: readonly number[];
  /** Ports of nodes that run, and are their own listeners. */
  readonly running: readonly number[];
}

/** A connection from one host to a port of another that did not come about as it should. */
export interface ReachFailure {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  /** `silent`: no answer in time. `stranger`: something else than the host answered. `failed`: the network said so. */
  readonly outcome: 'silent' | 'refused' | 'stranger' | 'failed';
  readonly detail: string;
}

/** What the hosts found when each tried the ports of all others; every pair that is not named here was reached. */
export interface ReachReport {
  readonly failures: readonly ReachFailure[];
  /** Ports on which a host could not listen, though nobody else was seen there. */
  readonly deaf: readonly { readonly host: string; readonly port: number; readonly why: string }[];
  /** Hosts that could not take part, in words. */
  readonly unexamined: readonly { readonly host: string; readonly why: string }[];
}

/** The word that a host's listeners say, so that it shows when another machine answers at its address. */
export function reachWord({ uid }: Pick<ClusterSpec, 'uid'>, host: string): string {
  return `redisforge-exam ${uid} ${host}`;
}

/** The hosts whose ports are to be tried; none where every node runs and is known as a member, as nothing is started or formed then. */
export function portsToExamine(spec: ClusterSpec, outcomes: readonly HostOutcome[]): ReachHost[] {
  const surveys = outcomes.flatMap((outcome) => (outcome.surveyed ? [outcome.survey] : []));
  if (surveys.length < 2) return [];
  const hosts = surveys.map(hostToExamine);
  const complete = surveys.length === spec.hosts.length && everFormed({ spec, surveys });
  const idle = surveys.every(({ nodes }) => nodes.every(({ service }) => service.state === 'running'));
  return complete && idle ? [] : hosts;
}

function hostToExamine({ host, nodes }: HostSurvey): ReachHost {
  const both = (some: HostSurvey['nodes']) => some.flatMap(({ port }) => [port, port + BUS_OFFSET]);
  const [running, others] = [
    nodes.filter(({ service }) => service.state === 'running'),
    nodes.filter(({ service, portTakenBy }) => service.state !== 'running' && portTakenBy === null),
  ];
  return { host, listen: both(others), running: both(running) };
}

/** What forbids the operation: ports that a node could not listen on, and, while the cluster is still to be formed, every blocked pair. */
export function reachRefusals(world: Pick<ApplyWorld, 'spec' | 'surveys' | 'reach'>): Refusal[] {
  const { spec, reach } = world;
  if (reach === undefined) return [];
  return [
    ...[...reach.deaf]
      .sort((a, b) => a.port - b.port)
      .map(({ host, port, why }) => ({
        host,
        what: `Host ${host} cannot listen on ${placeOf(spec, host, port)}: ${why}.`,
        next: `Look whether ${addressOf(spec, host)} is an address of ${host} itself (hosts[].address), and who has the port.`,
      })),
    ...(everFormed(world) ? [] : blockedPairs(spec, reach).map(({ to, what, next }) => ({ host: to, what, next }))),
  ];
}

/** What is worth knowing and forbids nothing: a member that has to come back does not wait for somebody else's firewall. */
export function reachRemarks(world: Pick<ApplyWorld, 'spec' | 'surveys' | 'reach'>): string[] {
  const { spec, reach } = world;
  if (reach === undefined) return [];
  return [
    ...reach.unexamined.map(
      ({ host, why }) => `The ports between ${host} and the other hosts could not be examined: ${why}.`,
    ),
    ...(everFormed(world) ? blockedPairs(spec, reach).map(({ what }) => what) : []),
  ];
}

interface BlockedPair {
  readonly to: string;
  readonly what: string;
  readonly next: string;
}

/** Hosts that fail at the same ports of a host in the same way are named together. */
function blockedPairs(spec: ClusterSpec, { failures }: ReachReport): BlockedPair[] {
  const inOrder = [...failures].sort(
    (a, b) => a.from.localeCompare(b.from, 'en', { numeric: true }) || a.port - b.port,
  );
  const byPair = groupBy(inOrder, ({ from, to, outcome, detail }) => JSON.stringify([to, outcome, detail, from]));
  const alike = groupBy([...byPair.values()], (pair) =>
    JSON.stringify(pair.map(({ to, port, outcome, detail }) => [to, port, outcome, detail])),
  );
  return [...alike.values()].flatMap((pairs) => {
    const [failure] = pairs[0] ?? [];
    if (failure === undefined) return [];
    const from = pairs.map(([one]) => one?.from ?? '');
    const ports = pairs[0]?.map(({ port }) => port) ?? [];
    return [blockedPair(spec, { failure, from, ports })];
  });
}

function blockedPair(
  spec: ClusterSpec,
  { failure, from, ports }: { failure: ReachFailure; from: readonly string[]; ports: readonly number[] },
): BlockedPair {
  const { to } = failure;
  const places = ports.map((port) => `${placeOf(spec, to, port)}${isBus(spec, to, port) ? ' (cluster bus)' : ''}`);
  const sources = from.map((name) => `${name} (${addressOf(spec, name)})`);
  return {
    to,
    what: `${sources.join(', ')} cannot reach ${to} at ${places.join(' and ')}: ${outcomeText(spec, failure)}.`,
    next: `Let TCP ports ${ports.join(' and ')} of ${to} be reached from ${from.join(', ')} (firewalls, security groups, routes); all nodes talk to each other.`,
  };
}

function outcomeText(spec: ClusterSpec, { to, outcome, detail }: ReachFailure): string {
  switch (outcome) {
    case 'silent':
      return 'no answer, as where a firewall drops packets';
    case 'refused':
      return `refused, though ${to} listens there: a firewall rejects it, or another machine has that address`;
    case 'stranger': {
      const other = spec.hosts.find(({ name }) => detail.trim() === `said: ${reachWord(spec, name)}`);
      return other === undefined
        ? `something else answered there (it ${detail.trim()})`
        : `${other.name} answered in its place`;
    }
    case 'failed':
      return detail;
    default:
      return outcome satisfies never;
  }
}

function isBus(spec: ClusterSpec, host: string, port: number): boolean {
  const nodes = spec.hosts.find(({ name }) => name === host)?.nodes ?? [];
  return !nodes.some((node) => node.port === port);
}

function placeOf(spec: ClusterSpec, host: string, port: number): string {
  const address = addressOf(spec, host);
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function addressOf(spec: ClusterSpec, host: string): string {
  return spec.hosts.find(({ name }) => name === host)?.address ?? '?';
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}
