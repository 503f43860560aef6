import type { HostStep } from '../../domain/steps.js';
import type { ClusterSpec, InstallSpec } from '../../domain/spec.js';

/** How the engine's binaries come to a host. */
export interface InstallMethod {
  /** The program whose version the exam asks for. */
  readonly examined: string;
  /** Brings the engine to the host where it is missing; what it really did, one line each. */
  install(step: HostStep): Promise<readonly string[]>;
}

export function installMethod({ install }: ClusterSpec): InstallMethod {
  switch (install.method) {
    case 'preinstalled':
      return preinstalled(install);
    default:
      return install.method satisfies never;
  }
}

/** The host's owner installed it: the exam compares its version (domain/exam.ts), and nothing is left to do. */
function preinstalled({ server }: InstallSpec): InstallMethod {
  return { examined: server, install: () => Promise.resolve([]) };
}
