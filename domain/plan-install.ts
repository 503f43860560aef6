import { archiveWords, packageNeeds } from './install.js';
import type { Step } from './plan.js';
import type { ClusterSpec, HostSpec } from './spec.js';
import type { HostSurvey } from './survey.js';

/** The step that brings the engine to a host where it is not there. */
export function installSteps(
  { engine, install }: ClusterSpec,
  { name: host }: HostSpec,
  survey: HostSurvey | undefined,
): Step[] {
  if (survey === undefined || install.method === 'preinstalled') return [];
  const step = (from: string, why: string): Step[] => [
    {
      kind: 'installEngine',
      id: `installEngine/${host}`,
      host,
      engine: `${engine.kind} ${engine.version} ${from}`,
      why,
    },
  ];
  if (install.method === 'archive') {
    const there = survey.exam.serverVersion !== null;
    return there ? [] : step(`from ${archiveWords(install)} (${install.sha256.slice(0, 12)})`, 'not there');
  }
  const needs = packageNeeds(install, survey);
  return needs === null ? [] : step(`as ${install.manager} package ${install.name} ${install.version}`, needs);
}
