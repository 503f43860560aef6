import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Matrix } from './matrix.js';
import type { ReshapeMatrix } from './reshape-matrix.js';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** What the matrix speaks of: a change here can change what a kill does. */
const SUBJECTS = ['workflows', 'activities', 'workers', 'domain'];

/** A result may be this much older than the last change of what it speaks of. */
export const MOST_DAYS = 14;

/** What a run of a matrix left: its rows, and what they depend on. */
export type KillResult<M> = M & {
  readonly commit: string;
  /** ISO 8601 */
  readonly committedAt: string;
  readonly seed: number;
  readonly minutes: number;
};

/** By the name of the result's file. */
interface Matrices {
  readonly 'kill-matrix': Matrix;
  readonly 'reshape-kills': ReshapeMatrix;
}

type Measured<N extends keyof Matrices> = Matrices[N] & Pick<KillResult<unknown>, 'seed' | 'minutes'>;

export function writeResult<N extends keyof Matrices>(name: N, result: Measured<N>): void {
  const commit = git('rev-parse', 'HEAD');
  const committedAt = git('log', '-1', '--format=%cI');
  mkdirSync(new URL('.', fileOf(name)), { recursive: true });
  writeFileSync(fileOf(name), `${JSON.stringify({ commit, committedAt, ...result }, null, 1)}\n`);
}

export function readResult<N extends keyof Matrices>(name: N): KillResult<Matrices[N]> {
  return JSON.parse(readFileSync(fileOf(name), 'utf8')) as KillResult<Matrices[N]>;
}

function fileOf(name: keyof Matrices): URL {
  return new URL(`./results/${name}.json`, import.meta.url);
}

/** Days from the commit that was measured to the last change of what it speaks of; negative where nothing was changed since. */
export function daysBehind({ committedAt }: { readonly committedAt: string }): number {
  const changed = git('log', '-1', '--format=%cI', '--', ...SUBJECTS);
  return (Date.parse(changed) - Date.parse(committedAt)) / 86_400_000;
}

function git(...argv: string[]): string {
  return execFileSync('git', argv, { cwd: PROJECT, encoding: 'utf8' }).trim();
}
