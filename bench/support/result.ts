import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';

const FOLDER = new URL('../results/', import.meta.url);

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? Number.NaN);
}

/** How many times longer the other one takes. */
export function ratio(theirs: number, ours: number): number {
  return Number((theirs / ours).toFixed(2));
}

/** Leaves the numbers with what they depend on. A comparison has no seed: nothing in it is drawn by chance. */
export function writeResult(name: string, numbers: Readonly<Record<string, unknown>>): void {
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
  const engine = execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).split(' ').slice(0, 3).join(' ');
  mkdirSync(FOLDER, { recursive: true });
  const result = { commit, engine, cores: cpus().length, ...numbers };
  writeFileSync(new URL(`${name}.json`, FOLDER), `${JSON.stringify(result, null, 2)}\n`);
}
