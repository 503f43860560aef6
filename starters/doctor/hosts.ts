import { hostname } from 'node:os';
import { hostHelper } from '../../activities/hosts/helper.js';
import type { HostAdapters } from '../../activities/hosts/ask-host.js';
import { readLeftovers, releaseLeaseOf, sweepHost } from '../../activities/hosts/leftovers.js';
import { dropFences, readFences } from '../../activities/redis/left-fences.js';
import { observe } from '../../activities/redis/observe.js';
import { createSshPool } from '../../activities/ssh/pool.js';
import { createSecretResolver, type SecretResolver } from '../../config/secrets.js';
import { wantedSettings } from '../../config/settings.js';
import { ForgeError } from '../../domain/errors.js';
import { fenceUsersUpTo } from '../../domain/fence.js';
import { tuningLeft } from '../../domain/formation-tuning.js';
import {
  type FencesOnNode,
  fenceFindings,
  type Finding,
  generationOver,
  hostFindings,
  type HostLeftovers,
  type RunState,
  UNFINISHED_AGE_SECONDS,
} from '../../domain/leftovers.js';
import { answering, type Observation } from '../../domain/observation.js';
import type { ClusterSpec } from '../../domain/spec.js';

/** The hosts and nodes of a spec, as far as this machine reaches them. */
export interface HostsLook {
  readonly spec: ClusterSpec;
  readonly hosts: readonly HostLeftovers[];
  readonly unasked: readonly Finding[];
  readonly fences: readonly FencesOnNode[];
  readonly observation: Observation | null;
}

type Access = HostAdapters & { readonly secrets: SecretResolver };

/** Connections from this machine for as long as `use` takes. */
export async function withAccess<T>(env: NodeJS.ProcessEnv, use: (access: Access) => Promise<T>): Promise<T> {
  const ssh = createSshPool({ agentSocket: env['SSH_AUTH_SOCK'] });
  try {
    return await use({ ssh, helper: hostHelper(), secrets: createSecretResolver({ env, machine: hostname() }) });
  } finally {
    await ssh.close();
  }
}

/** Asks all hosts and nodes at once; whoever cannot be asked is a finding. */
export async function lookAtHosts(access: Access, spec: ClusterSpec): Promise<HostsLook> {
  const asking = spec.hosts.map(({ name: host }) => readLeftovers(access, { spec, host }));
  const [outcomes, fences, observation] = await Promise.all([
    Promise.allSettled(asking),
    settledBy(readFences({ spec, secrets: access.secrets })),
    settledBy(observe({ spec, secrets: access.secrets })),
  ]);
  const unasked = outcomes.flatMap((outcome, i): Finding[] =>
    outcome.status === 'fulfilled' ? [] : [cannotAsk('hosts', outcome.reason, spec.hosts[i]?.name)],
  );
  return {
    spec,
    hosts: outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])),
    unasked: [...unasked, ...('failed' in fences ? [cannotAsk('redis', fences.failed)] : [])],
    fences: 'failed' in fences ? [] : fences.value,
    observation: 'failed' in observation ? null : observation.value,
  };
}

async function settledBy<T>(work: Promise<T>): Promise<{ value: T } | { failed: unknown }> {
  return work.then(
    (value) => ({ value }),
    (failed: unknown) => ({ failed }),
  );
}

function cannotAsk(area: Finding['area'], error: unknown, about?: string): Finding {
  if (!(error instanceof ForgeError)) throw error;
  const { what, next } = error.text;
  return { area, severity: 'problem', ...(about === undefined ? {} : { about }), what, next, cleaned: 'not' };
}

export type Runs = Readonly<Record<string, RunState>>;

export function findingsOf(look: HostsLook, runs: Runs): Finding[] {
  const { spec, hosts, unasked, fences, observation } = look;
  const declared = Object.fromEntries(spec.hosts.map(({ name, nodes }) => [name, nodes.map(({ port }) => `${port}`)]));
  const over = overAt(look, runs);
  return [
    ...unasked,
    ...hostFindings({ declared, helperSha256: hostHelper().sha256, hosts, runs }),
    ...fenceFindings(fences, (users) => fenceUsersUpTo(over, users)),
    ...tuningFindings(spec, observation),
  ];
}

/** Of a host that could not be asked nobody knows who works there. */
function overAt({ hosts, spec }: HostsLook, runs: Runs): number {
  return hosts.length < spec.hosts.length ? 0 : generationOver({ hosts, runs });
}

function tuningFindings(spec: ClusterSpec, observation: Observation | null): Finding[] {
  if (observation === null) return [];
  return answering(observation).flatMap((node): Finding[] =>
    tuningLeft(node, wantedSettings(spec)).map(({ setting, running, wanted }) => ({
      area: 'redis',
      severity: 'problem',
      about: node.name,
      what: `${setting} is ${running} from a formation that did not come to its end, and has to be ${wanted}.`,
      next: 'Run `redisforge apply`: it takes it back.',
      cleaned: 'not',
    })),
  );
}

export interface CleanRequest {
  readonly look: HostsLook;
  readonly runs: Runs;
  /** Who, for the journals. */
  readonly by: string;
}

/** What was taken away, and what stood in the way. */
export interface Cleaned {
  readonly effects: readonly string[];
  readonly refused: readonly string[];
}

/** Takes away what ended operations left: leases by the name of their run, then jobs and files under the hosts' lock, then fence users. */
export async function clean(access: Access, { look, runs, by }: CleanRequest): Promise<Cleaned> {
  const { spec, hosts } = look;
  const outcomes = await Promise.allSettled(hosts.map((host) => cleanHost(access, { spec, host, runs, by })));
  const upTo = overAt(look, runs);
  const dropped = upTo === 0 ? [] : await dropFences({ spec, secrets: access.secrets, upTo });
  return {
    effects: [
      ...outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : [])),
      ...dropped.map((fence) => `deleted ${fence}`),
    ],
    refused: outcomes.flatMap((outcome) => {
      if (outcome.status === 'fulfilled') return [];
      if (!(outcome.reason instanceof ForgeError)) throw outcome.reason;
      return [outcome.reason.text.what];
    }),
  };
}

async function cleanHost(
  access: Access,
  { spec, host, runs, by }: Omit<CleanRequest, 'look'> & { readonly spec: ClusterSpec; readonly host: HostLeftovers },
): Promise<string[]> {
  const request = { spec, host: host.host, by };
  const { lease, cluster } = host.record;
  if (cluster === null) return [];
  if (lease !== null && runs[lease.runId] !== 'closed') return [];
  const released = lease === null ? [] : await releaseLeaseOf(access, { ...request, run: lease.runId });
  const swept = await sweepHost(access, { ...request, olderThanSeconds: UNFINISHED_AGE_SECONDS });
  return [...released, ...swept];
}
