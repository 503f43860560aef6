import { guardWords, keepsIdentity } from './guard.js';
import { leavingNodes, lostHosts, nodeName } from './nodes.js';
import type { ClusterSpec } from './spec.js';
import type { HostOutcome, HostSurvey, NodeSurvey } from './survey.js';
import { bySeverityThenCode } from './judge.js';
import { osFindings } from './judge-os.js';
import type { Finding, Verdict } from './verdict.js';

/** A verdict with what the hosts say of themselves and of nodes that cannot speak. */
export function withHosts(verdict: Verdict, spec: ClusterSpec, outcomes: readonly HostOutcome[]): Verdict {
  const findings = [...verdict.findings, ...hostFindings(spec, outcomes)].sort(bySeverityThenCode);
  return { ...verdict, findings, healthy: !findings.some(({ severity }) => severity === 'error') };
}

function hostFindings(spec: ClusterSpec, outcomes: readonly HostOutcome[]): Finding[] {
  const lost = new Set(lostHosts(spec).map(({ name }) => name));
  const asked = outcomes.filter(({ host }) => !lost.has(host));
  if (asked.length > 1 && asked.every(({ surveyed }) => !surveyed)) return allUnreachable(asked);
  return asked.flatMap((outcome) =>
    outcome.surveyed ? findingsOf(spec, outcome.survey) : [unreachable(outcome.host, outcome.what, outcome.next)],
  );
}

/** As likely this machine's doing as theirs: one finding says it. */
function allUnreachable(outcomes: readonly HostOutcome[]): Finding[] {
  const [first] = outcomes.flatMap((outcome) => (outcome.surveyed ? [] : [outcome]));
  return [
    {
      code: 'HostUnreachable',
      severity: 'warning',
      evidence: `None of the ${outcomes.length} hosts can be asked over SSH from here: ${first?.what ?? ''}`,
      next: `${first?.next ?? ''} Where this machine is not meant to reach them, say --no-hosts.`,
    },
  ];
}

function unreachable(host: string, evidence: string, next: string): Finding {
  return { code: 'HostUnreachable', severity: 'warning', host, evidence, next };
}

function findingsOf(spec: ClusterSpec, survey: HostSurvey): Finding[] {
  const { host, nodes } = survey;
  const leaving = new Set(leavingNodes(spec).map(({ name }) => name));
  const staying = nodes.filter(({ port }) => !leaving.has(nodeName(host, port)));
  return [
    ...staying.flatMap((node) => [...guarded(host, node), ...limited(spec, host, node)]),
    ...osFindings(spec, [survey]),
  ];
}

function guarded(host: string, { port, service }: NodeSurvey): Finding[] {
  if (service.state !== 'guarded') return [];
  const node = nodeName(host, port);
  const next = keepsIdentity(service.reason)
    ? 'Bring its data back, or run apply: it starts the node empty where another one has its slots, and else says what is left to do.'
    : 'Bring its volume back and run apply; without it the node has to be replaced.';
  return [
    {
      code: 'NodeGuarded',
      severity: 'error',
      host,
      node,
      evidence: `${node} is kept from starting: ${guardWords(service.reason)} (seen at ${service.at}).`,
      next,
    },
  ];
}

function limited({ redis }: ClusterSpec, host: string, { port, nofile }: NodeSurvey): Finding[] {
  if (nofile === null || nofile >= redis.nofile) return [];
  const node = nodeName(host, port);
  return [
    {
      code: 'LimitNotReached',
      severity: 'warning',
      host,
      node,
      evidence: `${node} may open ${nofile} files, the spec wants ${redis.nofile} (redis.nofile).`,
      next: 'Raise the limit of the machine (of its container engine, where it is a container) and start the node again, or lower redis.nofile.',
    },
  ];
}
