import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Matrix } from './matrix.js';

const FILE = new URL('./results/kill-matrix.json', import.meta.url);
const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** What the matrix speaks of: a change here can change what a kill does. */
const SUBJECTS = ['workflows', 'activities', 'workers', 'domain'];

/** A result may be this much older than the last change of what it speaks of. */
export const MOST_DAYS = 14;

export interface KillResult extends Matrix {
  readonly commit: string;
  /** ISO 8601 */
  readonly committedAt: string;
  readonly seed: number;
  readonly minutes: number;
}

export function writeResult(result: Matrix & { readonly seed: number; readonly minutes: number }): void {
  const commit = git('rev-parse', 'HEAD');
  const committedAt = git('log', '-1', '--format=%cI');
  mkdirSync(new URL('.', FILE), { recursive: true });
  writeFileSync(FILE, `${JSON.stringify({ commit, committedAt, ...result }, null, 1)}\n`);
}

export function readResult(): KillResult {
  return JSON.parse(readFileSync(FILE, 'utf8')) as KillResult;
}

/** Days from the commit that was measured to the last change of what it speaks of; negative where nothing was changed since. */
export function daysBehind({ committedAt }: KillResult): number {
  const changed = git('log', '-1', '--format=%cI', '--', ...SUBJECTS);
  return (Date.parse(changed) - Date.parse(committedAt)) / 86_400_000;
}

function git(...argv: string[]): string {
  return execFileSync('git', argv, { cwd: PROJECT, encoding: 'utf8' }).trim();
}
