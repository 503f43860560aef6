import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import { runProgram } from './programs.js';

export type EngineKind = 'redis' | 'valkey';

export interface EngineFolderRequest {
  readonly kind: EngineKind;
  /** Downloaded packages: the one with the tools, and those with the libraries that it runs on. */
  readonly packages: readonly string[];
  /** Where the engine is to be; its tarball gets the same name with `.tar.gz`. */
  readonly folder: string;
}

export interface EngineFolder {
  /** What the program says of itself: `8.6.3`. */
  readonly version: string;
  readonly archive: string;
  /** Of the archive, hex. */
  readonly sha256: string;
}

/**
 * Makes an engine that runs from wherever it lies, on a system with any C library: its own loader and libraries are beside it. The folder and its tarball appear
 * whole, the folder last.
 * @throws ForgeError Refused where the program does not run
 */
export async function makeEngineFolder({ kind, packages, folder }: EngineFolderRequest): Promise<EngineFolder> {
  const unpacked = `${folder}.unpacked`;
  const incoming = `${folder}.new`;
  for (const path of [unpacked, incoming, folder]) await rm(path, { recursive: true, force: true });
  for (const path of packages) await runProgram('dpkg-deb', ['-x', path, unpacked]);
  await copyLibraries(unpacked, join(incoming, 'lib'));
  await copyPrograms({ kind, unpacked, incoming });
  await rm(unpacked, { recursive: true });
  const version = await askVersion(kind, incoming);
  const archive = `${folder}.tar.gz`;
  await pack(incoming, archive);
  await rename(incoming, folder);
  return { version, archive, sha256: await digestOf(archive) };
}

/** All libraries lie side by side, under the names that programs ask for. */
async function copyLibraries(unpacked: string, lib: string): Promise<void> {
  await mkdir(lib, { recursive: true });
  const found = (await readdir(unpacked, { recursive: true, withFileTypes: true })).filter(
    (entry) => (entry.isFile() || entry.isSymbolicLink()) && /\.so(\.|$)/.test(entry.name),
  );
  for (const entry of found) {
    if (/\/(gconv|audit|engines-3|ossl-modules)$/.test(entry.parentPath)) continue;
    const file = await realpath(join(entry.parentPath, entry.name)).catch(() => null);
    if (file !== null) await copyFile(file, join(lib, entry.name));
  }
}

interface Programs {
  readonly kind: EngineKind;
  readonly unpacked: string;
  readonly incoming: string;
}

/** One binary is the server and two of its tools; it looks at its first argument. */
async function copyPrograms({ kind, unpacked, incoming }: Programs): Promise<void> {
  const loader = (await readdir(join(incoming, 'lib'))).find((name) => /^ld-linux.*\.so\.\d+$/.test(name));
  if (loader === undefined) throw new Error(`no loader among the libraries of ${kind}`);
  await mkdir(join(incoming, 'bin'));
  await mkdir(join(incoming, 'libexec'));
  const binaries = { server: 'check-rdb', 'check-rdb': 'check-rdb', 'check-aof': 'check-rdb', cli: 'cli' } as const;
  for (const binary of new Set(Object.values(binaries))) {
    await copyFile(join(unpacked, 'usr/bin', `${kind}-${binary}`), join(incoming, 'libexec', `${kind}-${binary}`));
  }
  for (const [name, binary] of Object.entries(binaries)) {
    const path = join(incoming, 'bin', `${kind}-${name}`);
    await writeFile(path, wrapper({ name: `${kind}-${name}`, binary: `${kind}-${binary}`, loader }));
    await chmod(path, 0o755);
  }
  await chmod(join(incoming, 'lib', loader), 0o755);
}

/** `exec`: the process that was started is the server itself, under the same number. */
function wrapper({ name, binary, loader }: { name: string; binary: string; loader: string }): string {
  return `#!/bin/sh
self=$(readlink -f "$0")
home=\${self%/bin/*}
exec "$home/lib/${loader}" --argv0 ${name} --library-path "$home/lib" "$home/libexec/${binary}" "$@"
`;
}

async function askVersion(kind: EngineKind, folder: string): Promise<string> {
  const server = join(folder, 'bin', `${kind}-server`);
  const said = await runProgram(server, ['--version']).then(
    ({ stdout }) => stdout,
    (error: unknown) => String(error instanceof Error && 'stderr' in error ? error.stderr : error),
  );
  const version = / v=(\d+\.\d+\.\d+)/.exec(said)?.[1];
  if (version !== undefined) return version;
  throw new ForgeError('Refused', {
    what: `The ${kind} in ${basename(folder)} does not run with the libraries that were taken for it: ${said.trim().split('\n')[0] ?? ''}`,
    left: 'That engine was not kept; the others are.',
    next: 'Its suite has moved on to newer libraries: give it those in lab/engines.ts.',
  });
}

/** The same files give the same bytes. */
async function pack(folder: string, archive: string): Promise<void> {
  const plain = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--mode=u+w,go=rX'];
  const tar = `${archive}.tar`;
  await runProgram('tar', [...plain, '--transform', 's,^\\.,engine,', '-cf', tar, '-C', folder, '.']);
  await runProgram('gzip', ['-n', '-f', tar]);
  await rename(`${tar}.gz`, archive);
}

export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(() => 'null');
  return JSON.parse(text) as unknown;
}
