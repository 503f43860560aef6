import { isAbsolute, join, resolve } from 'node:path';

/** Where relative paths of a spec begin, and what `~` stands for. */
export interface Places {
  readonly folder: string;
  readonly home: string | undefined;
}

export function absolutePath(path: string, { folder, home }: Places): string {
  if (path.startsWith('~/') && home !== undefined) return join(home, path.slice(2));
  return isAbsolute(path) ? path : resolve(folder, path);
}
