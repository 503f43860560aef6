import type { Refusal } from './plan.js';
import type { ClusterSpec } from './spec.js';
import type { HostSurvey } from './survey.js';
import { nodeName } from './nodes.js';

/** From 243 on a condition of ours can keep a unit from starting without a restart. */
const OLDEST_SYSTEMD = 243;

/** What forbids the spec's service method on a host. */
export function serviceRefusals({ spec, survey }: { spec: ClusterSpec; survey: HostSurvey }): Refusal[] {
  return [...systemdRefusals(spec, survey), ...survey.nodes.flatMap((node) => switchRefusal(spec, survey.host, node))];
}

function systemdRefusals({ service, uid }: ClusterSpec, { host, exam, unit }: HostSurvey): Refusal[] {
  if (service.method !== 'systemd') return [];
  const refusals: Refusal[] = [];
  const refuse = (what: string, next: string) => refusals.push({ host, what: `Host ${host} ${what}.`, next });
  if (!exam.privileged) {
    refuse(
      'is not entered as root, and service.method systemd writes a unit there',
      'Say ssh.sudo: true (`redisforge doctor --sudoers` prints the rule for it), or log in as root.',
    );
  }
  if (exam.systemdVersion === null) {
    refuse('was not booted by systemd', 'Use service.method process there, which needs no init.');
  } else if (exam.systemdVersion < OLDEST_SYSTEMD) {
    refuse(
      `has systemd ${exam.systemdVersion}; the boot guard of the nodes needs ${OLDEST_SYSTEMD} (ExecCondition)`,
      'Upgrade the system, or use service.method process.',
    );
  }
  if (unit !== null && unit.uid !== uid) {
    refuse(
      `has a unit of this cluster's name that is of another cluster (uid ${unit.uid})`,
      'Give one of the two clusters another name, or destroy the other one first.',
    );
  }
  return refusals;
}

function switchRefusal({ service }: ClusterSpec, host: string, node: HostSurvey['nodes'][number]): Refusal[] {
  if (node.method === null || node.method === service.method) return [];
  const name = nodeName(host, node.port);
  return [
    {
      host,
      node: name,
      what: `${name} is kept running by the method ${node.method}, and the spec wants ${service.method}: an apply does not change that under a node.`,
      next: `Put service.method ${node.method} back into the spec.`,
    },
  ];
}
