import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ForgeError } from '../domain/errors.js';
import { type EngineKind, makeEngineFolder, readJson } from './engine-folder.js';
import { type DebianPackage, PrivateApt } from './engine-packages.js';
import { projectToolsDir } from './temporal-cli.js';

/** The engines that the product is tried on. */
export const ENGINE_NAMES = ['redis-7.0', 'redis-8.0', 'redis-8.6', 'valkey-8.1', 'valkey-9.1'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

const engineRecord = z.strictObject({
  name: z.enum(ENGINE_NAMES),
  kind: z.enum(['redis', 'valkey']),
  /** What the program says of itself. */
  version: z.string(),
  /** The Debian package that it came from. */
  package: z.strictObject({ name: z.string(), version: z.string(), suite: z.string() }),
  archive: z.string(),
  sha256: z.string(),
});

/** An engine that is there. */
export interface Engine extends z.infer<typeof engineRecord> {
  readonly kind: EngineKind;
  /** Absolute path of its server program on this machine. */
  readonly server: string;
  /** Absolute path of its tarball: the archive of `install: {method: archive}`. */
  readonly archive: string;
}

export interface EnginesOptions {
  /** Where engines are kept; `.tools/engines` of the project where it is not given. */
  readonly folder?: string;
}

/** The engine of this name, or `null` where it was not fetched. */
export async function findEngineOf(
  name: EngineName,
  { folder = enginesFolder() }: EnginesOptions = {},
): Promise<Engine | null> {
  const record = engineRecord.safeParse(await readJson(join(folder, `${name}.json`)));
  if (!record.success) return null;
  const { kind, archive } = record.data;
  return { ...record.data, server: join(folder, name, 'bin', `${kind}-server`), archive: join(folder, archive) };
}

/** As `findEngineOf`. @throws ForgeError Refused where it was not fetched */
export async function requireEngine(name: EngineName, options: EnginesOptions = {}): Promise<Engine> {
  const engine = await findEngineOf(name, options);
  if (engine !== null) return engine;
  throw new ForgeError('Refused', {
    what: `The engine ${name} is not on this machine.`,
    left: 'Nothing was changed.',
    next: 'Fetch it: redisforge lab engines (or `make engines`).',
  });
}

/** An engine that is there now, or in words why not. */
export type FetchedEngine =
  | { readonly name: EngineName; readonly engine: Engine; readonly fetched: boolean }
  | { readonly name: EngineName; readonly engine: null; readonly problem: string };

/**
 * Brings the engines that are missing, all in one go, from the Debian suites that the mirror of this machine has. What was fetched once is kept. A version
 * that no suite has any more is said, and not replaced by another.
 * @throws ForgeError Refused where there is no mirror to ask
 */
export async function fetchEngines({ folder = enginesFolder() }: EnginesOptions = {}): Promise<FetchedEngine[]> {
  const there = await Promise.all(
    ENGINE_NAMES.map(async (name) => ({ name, engine: await findEngineOf(name, { folder }) })),
  );
  const missing = there.filter(({ engine }) => engine === null).map(({ name }) => name);
  const fetched = missing.length === 0 ? [] : await fetchMissing(missing, folder);
  return there.map(({ name, engine }) => {
    if (engine !== null) return { name, engine, fetched: false };
    return fetched.find((one) => one.name === name) ?? { name, engine: null, problem: 'it was not looked for' };
  });
}

/** Whoever fetches at the same time works in a folder of its own; what is there first stays. */
async function fetchMissing(names: readonly EngineName[], folder: string): Promise<FetchedEngine[]> {
  const work = join(folder, `.fetching-${process.pid}`);
  await mkdir(work, { recursive: true });
  try {
    const apt = await PrivateApt.open(join(work, 'apt'));
    const versions = await apt.versionsOf(['redis-tools', 'valkey-tools', ...Object.values(RUNTIMES).flat()]);
    const chosen = names.map((name) => ({ name, packages: packagesOf(name, versions) }));
    await apt.download(chosen.flatMap(({ packages }) => packages));
    const results: FetchedEngine[] = [];
    for (const { name, packages } of chosen) {
      const [tools] = packages;
      results.push(
        tools === undefined
          ? gone(name, versions)
          : await build({ name, tools, files: await apt.filesOf(packages), work, folder }),
      );
    }
    return results;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The package with the newest patch of the wanted version that any suite has, and the libraries that it runs on; none where it is gone. */
function packagesOf(name: EngineName, versions: readonly DebianPackage[]): DebianPackage[] {
  const { kind, version } = partsOf(name);
  const tools = versions.find((one) => one.name === `${kind}-tools` && upstream(one.version).startsWith(`${version}.`));
  if (tools === undefined) return [];
  const runtime = runtimeOf(tools);
  const wanted = new Set<string>(RUNTIMES[runtime]);
  const libraries = versions.filter((one) => one.suite === runtime && wanted.has(one.name));
  return [tools, ...libraries];
}

function gone(name: EngineName, versions: readonly DebianPackage[]): FetchedEngine {
  const { kind } = partsOf(name);
  const there = versions
    .filter((one) => one.name === `${kind}-tools`)
    .map(({ version, suite }) => `${version} (${suite})`);
  return { name, engine: null, problem: `no Debian suite has it any more; there are ${there.join(', ') || 'none'}` };
}

function upstream(debianVersion: string): string {
  return debianVersion.slice(debianVersion.indexOf(':') + 1);
}

function partsOf(name: EngineName): { kind: EngineKind; version: string } {
  const [kind = '', version = ''] = name.split('-');
  return { kind: kind === 'valkey' ? 'valkey' : 'redis', version };
}

const LIBRARIES = [
  'libc6',
  'libstdc++6',
  'libgcc-s1',
  'libsystemd0',
  'libjemalloc2',
  'liblzf1',
  'libatomic1',
  'libcap2',
  'libzstd1',
  'liblzma5',
];

/** What the binaries of a suite run on, taken from that suite: newer ones ask for a newer C library, sooner or later. */
const RUNTIMES = {
  bookworm: [...LIBRARIES, 'libssl3', 'libgcrypt20', 'libgpg-error0', 'liblz4-1'],
  trixie: [...LIBRARIES, 'libssl3t64', 'zlib1g'],
  forky: [...LIBRARIES, 'libssl3t64', 'zlib1g'],
} as const satisfies Record<string, readonly string[]>;

function runtimeOf({ suite }: DebianPackage): keyof typeof RUNTIMES {
  if (suite.startsWith('bookworm')) return 'bookworm';
  return suite === 'trixie' ? 'trixie' : 'forky';
}

interface BuildRequest {
  readonly name: EngineName;
  readonly tools: DebianPackage;
  readonly files: readonly string[];
  readonly work: string;
  readonly folder: string;
}

async function build({ name, tools, files, work, folder }: BuildRequest): Promise<FetchedEngine> {
  const { kind } = partsOf(name);
  try {
    const made = await makeEngineFolder({ kind, packages: files, folder: join(work, name) });
    const meanwhile = await findEngineOf(name, { folder });
    if (meanwhile !== null) return { name, engine: meanwhile, fetched: false };
    await rm(join(folder, name), { recursive: true, force: true });
    await rename(join(work, name), join(folder, name));
    const archive = `${name}.tar.gz`;
    await rename(made.archive, join(folder, archive));
    const record = { name, kind, version: made.version, package: tools, archive, sha256: made.sha256 };
    await writeFile(join(work, 'record'), `${JSON.stringify(record, null, 2)}\n`);
    await rename(join(work, 'record'), join(folder, `${name}.json`));
    return { name, engine: await requireEngine(name, { folder }), fetched: true };
  } catch (error) {
    return { name, engine: null, problem: error instanceof Error ? error.message : String(error) };
  }
}

function enginesFolder(): string {
  return join(dirname(projectToolsDir()), 'engines');
}
