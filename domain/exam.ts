import { identityFromWords } from './capabilities.js';
import { serviceRefusals } from './exam-service.js';
import { nodeName } from './nodes.js';
import type { Refusal } from './plan.js';
import type { ArchiveSpec, ClusterSpec, PackageSpec } from './spec.js';
import type { HostExam, HostSurvey, NodeSurvey } from './survey.js';
import { mebibytes } from './units.js';
import { isVersion } from './version.js';

/** Redis's timers, leases and reports are compared across hosts: seconds apart would mislead whoever reads them. */
const MOST_SKEW_MS = 1_000;

/** Room for logs, configuration and the cluster's own files. */
const BASE_DISK_BYTES = 64 * 2 ** 20;

interface ExamInput {
  readonly spec: ClusterSpec;
  readonly survey: HostSurvey;
}

/** Everything about one host that forbids the operation, all at once; empty where it may go ahead. */
export function examRefusals({ spec, survey }: ExamInput): Refusal[] {
  const { host, exam } = survey;
  const ofHost: (Problem | null)[] = [
    missingTools(exam),
    rootProblem(exam),
    versionProblem({ spec, exam }),
    packageProblem({ spec, exam }),
    diskProblem({ spec, survey }),
    nofileProblem({ spec, exam }),
    clockProblem(exam),
  ];
  return [
    ...foreignCluster({ spec, survey }),
    ...ofHost.flatMap((problem) => (problem === null ? [] : [onHost(host, problem)])),
    ...serviceRefusals({ spec, survey }),
    ...survey.nodes.flatMap((node) => nodeRefusals(survey, node)),
  ];
}

interface Problem {
  readonly what: string;
  readonly next: string;
}

function onHost(host: string, { what, next }: Problem): Refusal {
  return { host, what: `Host ${host} ${what}.`, next };
}

/** Refuses a host whose record says that it is another cluster's. */
export function foreignCluster({ spec, survey }: ExamInput): Refusal[] {
  const { cluster } = survey.record;
  if (cluster === null || cluster.uid === spec.uid) return [];
  return [
    onHost(survey.host, {
      what: `belongs to cluster ${cluster.name} (uid ${cluster.uid}), not to ${spec.name} (uid ${spec.uid})`,
      next: "Use that cluster's spec, give this one another root folder on the host, or destroy that cluster first.",
    }),
  ];
}

function missingTools({ missingTools }: HostExam): Problem | null {
  if (missingTools.length === 0) return null;
  return {
    what: `lacks ${missingTools.map((tool) => tool.replaceAll('|', ' or ')).join(', ')}, which the host helper needs`,
    next: 'Install them (on Debian: coreutils, util-linux, grep, mawk; for archives tar, findutils and the program of their compression).',
  };
}

function rootProblem({ rootProblem }: HostExam): Problem | null {
  if (rootProblem === null) return null;
  return {
    what: `cannot take the root folder: ${rootProblem}`,
    next: 'Give that folder to the SSH user, or name another one (hosts[].root).',
  };
}

/** Why the server program on the host is not the one that the spec wants; `null` where it is. */
export function versionProblem({ spec, exam }: { spec: ClusterSpec; exam: HostExam }): Problem | null {
  const { engine, install } = spec;
  const wanted = `${engine.kind} ${engine.version}`;
  if (install.method !== 'preinstalled' && !isInstalled(install, exam)) return null;
  if (exam.serverVersion === null) {
    return {
      what: `has no program ${install.server} that says its version`,
      next: `Install ${wanted} there, or say where its server is (install.server).`,
    };
  }
  const said = identityFromWords(exam.serverVersion);
  if (said?.engine === engine.kind && isVersion(said.version, engine.version)) return null;
  return {
    what: `has another server than ${wanted}: ${install.server} says "${exam.serverVersion}"`,
    next: `Install ${wanted} there, or put the version that is there into the spec (engine).`,
  };
}

function packageProblem({ spec: { install }, exam }: { spec: ClusterSpec; exam: HostExam }): Problem | null {
  if (install.method !== 'package' || exam.privileged) return null;
  return {
    what: `cannot install package ${install.name}: the SSH user is not root there`,
    next: 'Log in as root, let the host helper be run by sudo (ssh.sudo: true), or take another install.method.',
  };
}

/** What is not there yet says its version when it was installed, before any node is started. */
function isInstalled(install: ArchiveSpec | PackageSpec, { serverVersion, installedPackage }: HostExam): boolean {
  if (install.method === 'archive') return serverVersion !== null;
  return installedPackage?.version === install.version;
}

/** Nodes whose data folder is empty still have to grow; an AOF is rewritten beside the old one, so durable data needs its room twice. */
function diskProblem({ spec, survey }: ExamInput): Problem | null {
  const growing = survey.nodes.filter(({ data }) => data.length === 0).length;
  if (growing === 0) return null;
  const written = spec.persistence.appendonly || spec.persistence.save !== '';
  const needed = BASE_DISK_BYTES + (written ? 2 * growing * spec.redis.maxmemoryBytes : 0);
  if (survey.exam.diskFreeBytes >= needed) return null;
  return {
    what: `has ${mebibytes(survey.exam.diskFreeBytes)} of free disk; ${growing} new node(s) need ${mebibytes(needed)} (twice maxmemory each where data is written)`,
    next: 'Free some, put the root folder on a larger disk (hosts[].root), or lower redis.maxmemory.',
  };
}

function nofileProblem({ spec, exam }: { spec: ClusterSpec; exam: HostExam }): Problem | null {
  const wanted = spec.redis.nofile;
  if (exam.nofileLimit >= wanted) return null;
  return {
    what: `lets the SSH user have ${exam.nofileLimit} open files; the spec wants ${wanted} (redis.nofile)`,
    next: 'Raise the hard limit on the host (/etc/security/limits.conf), or lower redis.nofile and redis.maxclients.',
  };
}

function clockProblem({ clockSkewMs }: HostExam): Problem | null {
  if (Math.abs(clockSkewMs) <= MOST_SKEW_MS) return null;
  const direction = clockSkewMs > 0 ? 'ahead of' : 'behind';
  return {
    what: `has a clock that is at least ${(Math.abs(clockSkewMs) / 1000).toFixed(1)} s ${direction} this machine's`,
    next: 'Set the clocks by NTP (chrony or systemd-timesyncd).',
  };
}

function nodeRefusals({ host, record }: HostSurvey, node: NodeSurvey): Refusal[] {
  const name = nodeName(host, node.port);
  const refusals: Refusal[] = [];
  if (node.portTakenBy !== null) {
    refusals.push({
      host,
      node: name,
      what: `The ports of ${name} are taken: ${node.portTakenBy}.`,
      next: 'End that program, or give the node another port.',
    });
  }
  if (node.data.length > 0 && record.cluster === null) {
    refusals.push({
      host,
      node: name,
      what: `The data folder of ${name} holds ${node.data.join(', ')}, and the host's record does not say whose that is.`,
      next: 'Move it away by hand if nobody needs it.',
    });
  }
  return refusals;
}
