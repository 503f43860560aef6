import { examinedServer, installTools } from '../../domain/install.js';
import type { HostSpec, ClusterSpec } from '../../domain/spec.js';
import type { HostStep, StepResult } from '../../domain/steps.js';
import type { HostAdapters } from './ask-host.js';
import { installArchive } from './install-archive.js';
import { installPackage } from './install-package.js';

/** How the engine's binaries come to a host. */
interface InstallMethod {
  /** Brings the engine to the host where it is missing. */
  install(step: HostStep): Promise<StepResult>;
}

function installMethod(adapters: HostAdapters, { install }: ClusterSpec): InstallMethod {
  switch (install.method) {
    case 'preinstalled':
      // The host's owner installed it, and the exam has compared its version (domain/exam.ts).
      return { install: () => Promise.resolve({ effects: [] }) };
    case 'archive':
      return { install: (step) => installArchive(adapters, { ...step, archive: install }) };
    case 'package':
      return { install: (step) => installPackage(adapters, { ...step, wanted: install }) };
    default:
      return install satisfies never;
  }
}

/**
 * Brings the engine of the spec to a host, as far as it is not there, and reads its version back before any node is started with it. No running node gets
 * another program by this.
 * @throws ForgeError Refused where it is not what the spec says: digest, version, machine, content; where the package is not to be had. CommandFailed, NotReached,
 * and those of a login
 */
export function installEngine(adapters: HostAdapters, step: HostStep): Promise<StepResult> {
  return installMethod(adapters, step.spec).install(step);
}

/** What the survey of a host is asked about the engine. */
export function engineQuestions(spec: ClusterSpec, host: HostSpec): string[] {
  const { install } = spec;
  const packaged = install.method === 'package' ? [`package=${install.manager}:${install.name}`] : [];
  return [`server=${examinedServer(spec, host)}`, ...packaged, ...installTools(install).map((tool) => `tool=${tool}`)];
}
