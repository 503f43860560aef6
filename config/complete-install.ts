import type { ArchiveSpec, ClusterSpec, PackageSpec } from '../domain/spec.js';
import type { RuleProblem } from '../domain/spec-path.js';
import { absolutePath, type Places } from './places.js';
import type { SpecDocument } from './schema.js';

type Install = SpecDocument['install'];
type ArchiveDocument = Extract<Install, { method: 'archive' }>;
type PackageDocument = Extract<Install, { method: 'package' }>;

/** Fills in what `install` leaves to the engine and the method, and collects what does not go together. */
export function completeInstall(
  { install, engine }: Pick<SpecDocument, 'install' | 'engine'>,
  { places, problems }: { readonly places: Places; readonly problems: RuleProblem[] },
): ClusterSpec['install'] {
  const program = `${engine.kind}-server`;
  switch (install.method) {
    case undefined:
    case 'preinstalled':
      return { method: 'preinstalled', server: install.server ?? `/usr/bin/${program}` };
    case 'archive':
      problems.push(...archiveProblems(install));
      return {
        method: 'archive',
        source: sourceOf(install, places),
        sha256: install.sha256,
        server: install.server ?? `bin/${program}`,
      };
    case 'package':
      problems.push(...packageProblems(install));
      return completePackage(install, { program, places });
    default:
      return install satisfies never;
  }
}

function sourceOf({ file, url, via }: ArchiveDocument, places: Places): ArchiveSpec['source'] {
  if (file !== undefined) return { from: 'file', path: absolutePath(file, places) };
  return { from: 'url', url: url ?? '', via: via ?? 'worker' };
}

function archiveProblems({ file, url, via }: ArchiveDocument): RuleProblem[] {
  const problems: RuleProblem[] = [];
  if ((file === undefined) === (url === undefined)) {
    problems.push({
      path: ['install'],
      reason: file === undefined ? 'does not say where the archive is' : 'names two places for one archive',
      right: '`file: …` on the worker, or `url: …`',
    });
  }
  if (via !== undefined && url === undefined) {
    problems.push({
      path: ['install', 'via'],
      reason: 'says who fetches, and there is no url',
      right: 'an `url`, or nothing here',
    });
  }
  return problems;
}

function completePackage(
  { manager = 'apt', name, version, server, repository }: PackageDocument,
  { program, places }: { readonly program: string; readonly places: Places },
): PackageSpec {
  const usual = manager === 'apt' ? program : program.replace(/-server$/, '');
  return {
    method: 'package',
    manager,
    name: name ?? usual,
    version,
    server: server ?? `/usr/bin/${program}`,
    ...(repository === undefined ? {} : { repository: completeRepository(repository, places) }),
  };
}

function completeRepository(
  { url, suite = '', components = ['main'], key, keySha256 }: NonNullable<PackageDocument['repository']>,
  places: Places,
): NonNullable<PackageSpec['repository']> {
  return {
    url,
    suite,
    components,
    key: typeof key === 'string' ? { file: absolutePath(key, places) } : key,
    keySha256,
  };
}

function packageProblems({ manager = 'apt', repository }: PackageDocument): RuleProblem[] {
  if (repository === undefined || manager !== 'apt' || repository.suite !== undefined) return [];
  return [
    {
      path: ['install', 'repository'],
      reason: 'does not say its suite',
      right: '`suite: …`, such as the name of the Debian release',
    },
  ];
}
