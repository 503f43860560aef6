import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { hostname } from 'node:os';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ForgeError } from '../../domain/errors.js';
import { identityWords } from '../../domain/capabilities.js';
import { archiveWords, engineName } from '../../domain/install.js';
import type { ArchiveSpec } from '../../domain/spec.js';
import type { HostStep, StepResult } from '../../domain/steps.js';
import { effectsOf, type Answer } from './answer.js';
import { type HostAdapters, orderHost } from './ask-host.js';
import { engineRefusal, otherDigest } from './install-refusals.js';
import { runJob } from './jobs.js';

export interface ArchiveStep extends HostStep {
  readonly archive: ArchiveSpec;
}

/** Brings an archive to a host and makes an engine of it there; one that is there is left as it is. */
export async function installArchive(adapters: HostAdapters, step: ArchiveStep): Promise<StepResult> {
  const { spec, archive, host } = step;
  const { sha256, source, server } = archive;
  const name = engineName(spec.engine, archive);
  const purpose = `installation of ${name} on ${host}`;
  const fromHost = source.from === 'url' && source.via === 'host';
  const received = fromHost ? null : await bringArchive(adapters, { ...step, name, purpose });
  const { exitCode, answer } = await runJob(adapters, {
    ...step,
    name: `install-${sha256.slice(0, 12)}`,
    purpose,
    words: [
      'engine',
      'build',
      name,
      sha256,
      server,
      identityWords({ engine: spec.engine.kind, version: spec.engine.version }),
      ...(fromHost ? [source.url] : []),
    ],
    deadlineMs: spec.timings.installMs,
  });
  if (exitCode !== 0) throw engineRefusal({ purpose, host, from: archiveWords(archive), exitCode, answer });
  return { effects: [received, answer].flatMap((one) => (one === null ? [] : effectsOf(one, host))) };
}

/** The bytes go from the worker to the host as they come; nothing is held in memory as a whole, and the host looks at the digest before it uses them. */
async function bringArchive(
  adapters: HostAdapters,
  step: ArchiveStep & { readonly name: string; readonly purpose: string },
): Promise<Answer> {
  const { archive, name, spec } = step;
  if (archive.source.from === 'file') await checkDigest(archive.source.path, archive);
  try {
    return await orderHost(adapters, {
      ...step,
      words: ['engine', 'receive', name, archive.sha256],
      stdin: () => bytesOf(archive),
      waitMs: spec.timings.installMs,
    });
  } catch (error) {
    throw error instanceof ForgeError ? error : unreadable(archive, error);
  }
}

/** A wrong archive is not sent to a host in the first place. @throws ForgeError Refused */
async function checkDigest(path: string, archive: ArchiveSpec): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash).catch((error: unknown) => {
    throw unreadable(archive, error);
  });
  const found = hash.digest('hex');
  if (found !== archive.sha256) throw otherDigest({ from: path, wanted: archive.sha256, found });
}

function bytesOf({ source }: ArchiveSpec): Readable {
  if (source.from === 'file') return createReadStream(source.path);
  const bytes = new PassThrough();
  fetchInto(source.url, bytes).catch((error: unknown) =>
    bytes.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return bytes;
}

async function fetchInto(url: string, bytes: PassThrough): Promise<void> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`);
  await pipeline(Readable.fromWeb(response.body), bytes);
}

function unreadable({ source }: ArchiveSpec, error: unknown): ForgeError {
  const reason = error instanceof Error ? causeOf(error) : String(error);
  if (source.from === 'url') {
    return new ForgeError('HostUnreachable', {
      what: `The worker on ${hostname()} could not fetch ${archiveWords({ source })}: ${reason}.`,
      left: 'Nothing was installed.',
      next: 'Open the way from the worker to there, or bring the file to the worker and name it (install.file).',
    });
  }
  return new ForgeError('Refused', {
    what: `The archive ${source.path} cannot be read on the worker's machine ${hostname()}: ${reason}.`,
    left: 'Nothing was installed.',
    next: 'Bring it to that path on every machine that runs a worker, or give a url.',
  });
}

/** fetch says "fetch failed" and keeps what happened for itself. */
function causeOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
