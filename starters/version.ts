import { existsSync, readFileSync } from 'node:fs';

/** Of this product, from its package.json: one folder up from the sources, two from what is built. */
export function productVersion(): string {
  const file = ['../package.json', '../../package.json']
    .map((path) => new URL(path, import.meta.url))
    .find((url) => existsSync(url));
  if (file === undefined) throw new Error('there is no package.json above this file');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return version;
}
