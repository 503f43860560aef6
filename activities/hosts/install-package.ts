import type { PackageSpec } from '../../domain/spec.js';
import type { HostStep, StepResult } from '../../domain/steps.js';
import { ForgeError } from '../../domain/errors.js';
import type { HostAdapters } from './ask-host.js';

export interface PackageStep extends HostStep {
  readonly wanted: PackageSpec;
}

/** Brings a package to a host. */
export function installPackage(_adapters: HostAdapters, { wanted, host }: PackageStep): Promise<StepResult> {
  throw new ForgeError('Refused', {
    what: `Package ${wanted.name} is not brought to ${host} by this version.`,
    left: 'Nothing was changed.',
    next: 'Install it by hand and use the method preinstalled.',
  });
}
