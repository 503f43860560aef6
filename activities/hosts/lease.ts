import { oneLine } from '../../domain/visible.js';
import { hostsAtWork, nodeName, portOf } from '../../domain/nodes.js';
import type { NamedNode } from '../../domain/reshape-steps.js';
import type { HostStep, LeaseRequest, StepResult } from '../../domain/steps.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { HostRecord, StepToken } from '../../domain/survey.js';
import { effectsOf, readable } from './answer.js';
import { bootstrapHost, type HostAdapters, orderHost, orderLast } from './ask-host.js';
import { parseRecord } from './record.js';

/**
 * Installs or updates the helper, claims the host for the cluster, and takes the lease with its generation, in one locked command. Asked again
 * by the same run with the same generation it changes nothing. Throws ForgeError Refused (the host is another cluster's), Locked (another
 * operation's lease is not released) or Fenced (the generation is not above the host's, or the host was given back since it was examined), each
 * with nothing changed.
 */
export async function takeLease(adapters: HostAdapters, request: LeaseRequest): Promise<HostRecord> {
  const { spec, host, lease, breakLease, seen } = request;
  const fields = {
    cluster: spec.name,
    uid: spec.uid,
    generation: `${lease.generation}`,
    server: lease.server,
    workflow: lease.workflowId,
    run: lease.runId,
    operation: lease.operation,
    actor: lease.actor,
    since: lease.since,
    sha256: adapters.helper.sha256,
    ...(breakLease === undefined ? {} : { break: breakLease }),
    ...(seen === undefined ? {} : { seen: `${seen}` }),
  };
  const answer = await bootstrapHost(adapters, {
    spec,
    host,
    purpose: `lease of ${host}`,
    words: ['lease', 'take', ...Object.entries(fields).map(([key, value]) => `${key}=${oneLine(value)}`)],
  });
  const left = 'The lease is taken; the operation gives it back at its end.';
  return readable({ host, purpose: `lease of ${host}`, left }, () => parseRecord(answer));
}

/**
 * Has hosts say that this is still the newest attempt of the newest operation; from then on they refuse every older one. For what is done over
 * Redis, where a host cannot look at the token itself. Throws ForgeError Fenced, and those of a login.
 */
export async function confirmToken(
  adapters: HostAdapters,
  { spec, hosts, token }: { readonly spec: ClusterSpec; readonly hosts: readonly string[]; readonly token: StepToken },
): Promise<void> {
  const asked = hosts.map((host) =>
    orderHost(adapters, { spec, host, token, purpose: `${token.step} by Redis`, words: ['lease', 'confirm'] }),
  );
  for (const outcome of await Promise.allSettled(asked)) if (outcome.status === 'rejected') throw outcome.reason;
}

/** Gives the host free for the next operation. Where there is no lease, or no helper any more, there is nothing to do. Throws ForgeError Fenced where a newer operation holds it. */
export async function releaseLease(adapters: HostAdapters, step: HostStep): Promise<StepResult> {
  const answer = await orderLast(adapters, {
    ...step,
    purpose: `release of the lease of ${step.host}`,
    words: ['lease', 'release'],
  });
  return { effects: answer === null ? [] : effectsOf(answer, step.host) };
}

/** Notes on the host which Redis ID each of its nodes has, by port. One that is noted already is not written again. */
export async function recordIdentities(
  adapters: HostAdapters,
  { identities, ...step }: HostStep & { readonly identities: Readonly<Record<string, string>> },
): Promise<StepResult> {
  const pairs = Object.entries(identities).map(([port, id]) => `${port}=${id}`);
  if (pairs.length === 0) return { effects: [] };
  const answer = await orderHost(adapters, {
    ...step,
    purpose: `record of the nodes of ${step.host}`,
    words: ['identities', ...pairs],
  });
  return { effects: effectsOf(answer, step.host) };
}

export interface ForgetIdentities {
  readonly spec: ClusterSpec;
  readonly token: StepToken;
  readonly nodes: readonly NamedNode[];
}

/**
 * Notes on the hosts that these nodes are about to leave the cluster, so that one that was reset, and so has another identity, may start: the boot guard would take
 * it for one that lost its data. One that is noted already is not written again; hosts that are lost, and nodes of no host, are left out.
 */
export async function forgetIdentities(
  adapters: HostAdapters,
  { spec, token, nodes }: ForgetIdentities,
): Promise<StepResult> {
  const asked = hostsAtWork(spec).map(async ({ name: host, nodes: declared }): Promise<string[]> => {
    const ports = declared.filter(({ leaving }) => leaving !== 'lost').map(({ port }) => nodeName(host, port));
    const own = nodes.filter(({ name }) => ports.includes(name));
    if (own.length === 0) return [];
    const answer = await orderHost(adapters, {
      spec,
      host,
      token,
      purpose: `record of the nodes of ${host}`,
      words: ['identities', 'forget', ...own.map(({ name, nodeId }) => `${portOf(name)}=${nodeId}`)],
    });
    return effectsOf(answer, host);
  });
  const outcomes = await Promise.allSettled(asked);
  const effects = outcomes.flatMap((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
  return { effects };
}
