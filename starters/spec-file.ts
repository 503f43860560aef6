import { randomUUID } from 'node:crypto';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { editSpec } from '../config/edit-spec.js';
import type { LoadedSpec } from '../config/load.js';
import { ForgeError } from '../domain/errors.js';
import { unifiedDiff } from '../domain/line-diff.js';
import { type SpecEdit, withoutLeft } from '../domain/spec-edit.js';
import type { CliIo } from './io.js';

/** The spec's file on its way through an operation. */
export interface SpecFile {
  readonly before: LoadedSpec;
  /** What the operation works on: nodes that leave are marked. */
  readonly working: LoadedSpec;
  /** Whether some do. */
  readonly leaves: boolean;
  /** What is declared when it is done: they are gone. Throws ForgeError Refused where a program cannot say that in this file. */
  after(): LoadedSpec;
}

/** Throws ForgeError Refused where the spec cannot be changed so. */
export function specFile(before: LoadedSpec, edits: readonly SpecEdit[], env: NodeJS.ProcessEnv): SpecFile {
  const working = editSpec(before, edits, env);
  const left = withoutLeft(working.spec);
  return { before, working, leaves: left.length > 0, after: () => editSpec(working, left, env) };
}

/** Between two states of the same file; empty where they are the same. */
export function specDiff(before: LoadedSpec, after: LoadedSpec): string {
  return unifiedDiff({ path: basename(before.path), before: before.text, after: after.text });
}

export function renderDiff(diff: string, { colors }: Pick<CliIo, 'colors'>): string[] {
  if (diff === '') return [];
  const paint = { '-': colors.red, '+': colors.green, '@': colors.dim } as const;
  return diff.split('\n').map((line) => {
    const sign = line[0];
    const color = sign === '-' || sign === '+' || sign === '@' ? paint[sign] : undefined;
    return `  ${color === undefined ? line : color(line)}`;
  });
}

/** Throws ForgeError Refused where somebody changed the file since it was read. */
export async function refuseChanged({ path, text }: LoadedSpec): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => null)) === text) return;
  throw new ForgeError('Refused', {
    what: `${path} was changed since it was read.`,
    left: 'It was left as it is.',
    next: 'Look at what changed, and run the same command again.',
  });
}

/**
 * Writes the file in one piece: whoever reads it sees the old one or the new one. Throws ForgeError Refused where it is not as it was read, and where it cannot
 * be written.
 */
export async function writeSpecFile(before: LoadedSpec, after: LoadedSpec): Promise<void> {
  if (before.text === after.text) return;
  await refuseChanged(before);
  const path = await realpath(before.path);
  const beside = `${path}.${randomUUID().slice(0, 8)}.new`;
  try {
    const { mode } = await stat(path);
    const file = await open(beside, 'wx', mode & 0o777);
    try {
      await file.writeFile(after.text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new ForgeError(
      'Refused',
      {
        what: `${before.path} cannot be written (${code}).`,
        left: 'It was left as it is.',
        next: 'Make the change that is shown by hand.',
      },
      { cause: error },
    );
  }
}
