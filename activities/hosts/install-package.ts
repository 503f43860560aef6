import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { Readable } from 'node:stream';
import { identityWords } from '../../domain/capabilities.js';
import { ForgeError } from '../../domain/errors.js';
import type { PackageRepository, PackageSpec } from '../../domain/spec.js';
import type { HostStep, StepResult } from '../../domain/steps.js';
import { type Answer, effectsOf } from './answer.js';
import { type HostAdapters, orderHost } from './ask-host.js';
import { packageRefusal } from './install-refusals.js';
import { runJob } from './jobs.js';

export interface PackageStep extends HostStep {
  readonly wanted: PackageSpec;
}

/** Has the host's package manager install exactly one version and hold it; where it is so, nothing is done. */
export async function installPackage(adapters: HostAdapters, step: PackageStep): Promise<StepResult> {
  const { spec, host, wanted } = step;
  const { manager, name, version, server, repository } = wanted;
  const purpose = `installation of package ${name} ${version} on ${host}`;
  const from = repository === undefined ? `the repositories of ${host}` : repository.url;
  const known = repository === undefined ? null : await addRepository(adapters, { ...step, repository, purpose });
  const words = identityWords({ engine: spec.engine.kind, version: spec.engine.version });
  const { exitCode, answer } = await runJob(adapters, {
    ...step,
    name: `install-${digestOf(JSON.stringify(wanted)).slice(0, 12)}`,
    purpose,
    words: ['package', 'install', manager, name, version, server, words, ...(known === null ? [] : [spec.name])],
    deadlineMs: spec.timings.installMs,
  });
  if (exitCode !== 0) throw packageRefusal({ purpose, host, from, exitCode, answer });
  return { effects: [known, answer].flatMap((one) => (one === null ? [] : effectsOf(one, host))) };
}

/** The key is looked at here and on the host: what it has signed is taken for the vendor's. */
async function addRepository(
  adapters: HostAdapters,
  { repository, ...step }: PackageStep & { readonly repository: PackageRepository; readonly purpose: string },
): Promise<Answer> {
  const { url, suite, components, keySha256 } = repository;
  const key = await keyOf(repository);
  const found = digestOf(key);
  if (found !== keySha256) throw otherKey({ wanted: keySha256, found });
  return orderHost(adapters, {
    ...step,
    words: [
      'package',
      'repository',
      step.wanted.manager,
      step.spec.name,
      keySha256,
      url,
      ...(suite === '' ? [] : [suite, ...components]),
    ],
    stdin: () => Readable.from([key]),
  });
}

async function keyOf({ key }: PackageRepository): Promise<Buffer> {
  if ('armored' in key) return Buffer.from(key.armored);
  return readFile(key.file).catch((error: unknown) => {
    throw new ForgeError('Refused', {
      what: `The key ${key.file} cannot be read on the worker's machine ${hostname()}: ${error instanceof Error ? error.message : String(error)}.`,
      left: 'Nothing was installed.',
      next: 'Bring it to that path on every machine that runs a worker, or write it into the spec (install.repository.key.armored).',
    });
  });
}

function digestOf(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function otherKey({ wanted, found }: { wanted: string; found: string }): ForgeError {
  return new ForgeError('Refused', {
    what: `The key of the repository is not the one that the spec pins: its sha256 is ${found}, install.repository.keySha256 is ${wanted}.`,
    left: 'Nothing was changed on the hosts.',
    next: 'Compare the key with what its vendor publishes; never just copy the digest of what is there.',
  });
}
