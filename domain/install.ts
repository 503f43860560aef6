import { hostPaths, nodePaths } from './nodes.js';
import type { ArchiveSpec, ClusterSpec, EngineSpec, HostSpec, PackageSpec } from './spec.js';
import type { HostSurvey } from './survey.js';

/** Name of an unpacked archive below `engines/` on its hosts: versions lie side by side. */
export function engineName(engine: EngineSpec, { sha256 }: Pick<ArchiveSpec, 'sha256'>): string {
  return `${engine.kind}-${engine.version}-${sha256.slice(0, 12)}`;
}

/** The engine that a node's link has to name; `null` where nodes have none, as the host has one program for all. */
export function wantedEngine({ engine, install }: Pick<ClusterSpec, 'engine' | 'install'>): string | null {
  return install.method === 'archive' ? engineName(engine, install) : null;
}

/** The server program of one node, absolute. Behind a link of its own, so that nothing but a switch of this link gives the node another version. */
export function serverOf({ install }: Pick<ClusterSpec, 'install'>, host: HostSpec, port: number): string {
  return install.method === 'archive' ? `${nodePaths(host, port).engine}/${install.server}` : install.server;
}

/** The server program whose version the exam asks for, absolute. */
export function examinedServer({ engine, install }: Pick<ClusterSpec, 'engine' | 'install'>, host: HostSpec): string {
  if (install.method !== 'archive') return install.server;
  return `${hostPaths(host).engines}/${engineName(engine, install)}/${install.server}`;
}

/** Where the link of a node points to, from the node's folder. */
export function engineTarget(name: string): string {
  return `../../engines/${name}`;
}

/** Where the archive comes from, without the query that its address may have. */
export function archiveWords({ source }: Pick<ArchiveSpec, 'source'>): string {
  return source.from === 'file' ? source.path : source.url.replace(/[?#].*$/, '');
}

/** What an archive is compressed with, by its name; `null` where it is a plain tar or does not say. */
function compressionOf(archive: ArchiveSpec): 'gzip' | 'xz' | 'zstd' | null {
  const name = archiveWords(archive);
  if (/\.(tar\.gz|tgz)$/.test(name)) return 'gzip';
  if (/\.(tar\.xz|txz)$/.test(name)) return 'xz';
  return /\.(tar\.zst|tzst)$/.test(name) ? 'zstd' : null;
}

/** Programs that a host needs for its install method beside those of the helper. Of several in one word, one is enough. */
export function installTools(install: ClusterSpec['install']): string[] {
  switch (install.method) {
    case 'preinstalled':
      return [];
    case 'archive': {
      const compression = compressionOf(install);
      const fetching = install.source.from === 'url' && install.source.via === 'host' ? ['curl|wget'] : [];
      return ['tar', 'find', 'od', ...(compression === null ? [] : [compression]), ...fetching];
    }
    case 'package':
      return managerTools(install);
    default:
      return install satisfies never;
  }
}

function managerTools({ manager }: PackageSpec): string[] {
  return manager === 'apt' ? ['apt-get', 'apt-cache', 'apt-mark', 'dpkg-query'] : ['dnf', 'rpm'];
}

/** Why the package has to be installed, in words; `null` where nothing is to be done. Under a node that runs no package is changed: that is an upgrade. */
export function packageNeeds(wanted: PackageSpec, { exam, nodes }: Pick<HostSurvey, 'exam' | 'nodes'>): string | null {
  const there = exam.installedPackage;
  if (there === null) return 'not there';
  if (there.version === wanted.version) return there.held ? null : 'there, and not held';
  return nodes.some(({ service }) => service.state === 'running') ? null : `${there.version} is there`;
}
