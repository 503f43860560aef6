import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const HUGE_PAGES = '/sys/kernel/mm/transparent_hugepage';

/** All of this machine's own `vm.*` and its huge pages, by path: what no test may ever change. Files that only root may read, or nobody, are left out. */
export async function machineSettings(): Promise<Record<string, string>> {
  const paths = [...(await filesOf('/proc/sys/vm')), join(HUGE_PAGES, 'enabled'), join(HUGE_PAGES, 'defrag')];
  const read = await Promise.all(
    paths.map(async (path) => [path, await readFile(path, 'utf8').catch(() => '')] as const),
  );
  return Object.fromEntries(read.filter(([, value]) => value !== ''));
}

async function filesOf(folder: string): Promise<string[]> {
  return (await readdir(folder)).map((name) => join(folder, name));
}
