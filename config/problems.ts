import type { z } from 'zod';
import type { SpecPath } from '../domain/spec-path.js';
import { nearest } from './nearest.js';

/** What is wrong at one place, before its line is looked up. */
export interface PathProblem {
  readonly path: SpecPath;
  readonly reason: string;
  readonly right: string;
  /** The key is one too many; otherwise the value is missing or wrong. */
  readonly unknownKey?: true;
  /** The key itself is not to be shown. */
  readonly hiddenKey?: true;
}

/** Puts what zod found into words. Under `secrets` neither values nor odd keys are quoted: somebody may have written the secret itself there. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], document: unknown): PathProblem[] {
  return issues.flatMap((issue) => problemsOfIssue(issue, [], document));
}

function problemsOfIssue(issue: z.core.$ZodIssue, parent: SpecPath, document: unknown): PathProblem[] {
  const path = [...parent, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownKey([...path, key], key, issue.message));
  if (issue.code === 'invalid_union') {
    const meant = meantBranch(issue);
    if (meant !== undefined) return meant.flatMap((inner) => problemsOfIssue(inner, path, document));
  }
  return [{ path, reason: reasonFor(path, valueAt(document, path)), right: issue.message }];
}

/** The branch of a union whose kind the value is of, and of several the nearest: its own problems say more than "none of these". */
function meantBranch(issue: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  return issue.errors
    .filter((branch) => branch.every((inner) => inner.code !== 'invalid_type' || inner.path.length > 0))
    .sort((a, b) => a.length - b.length)[0];
}

function unknownKey(path: SpecPath, key: string, known: string): PathProblem {
  const names = known.split(', ');
  const guess = nearest(key, names);
  return {
    path,
    reason: 'is not a key that is known here',
    unknownKey: true,
    ...(path[0] === 'secrets' && guess === null ? { hiddenKey: true } : {}),
    right: guess === null ? `one of ${known}` : `did you mean \`${guess}\`? Known here: ${known}`,
  };
}

function reasonFor(path: SpecPath, value: unknown): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is empty';
  if (Array.isArray(value)) return 'is a list';
  if (typeof value === 'object') return 'is a mapping';
  if (path[0] === 'secrets') return path.includes('exec') ? 'does not fit' : 'is not a reference to a secret';
  const shown = JSON.stringify(value);
  return shown.length > 60 || path.includes('extra') ? `is a ${typeof value} that does not fit` : `is ${shown}`;
}

function valueAt(document: unknown, path: SpecPath): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).find(([key]) => key === String(part))?.[1]
        : undefined,
    document,
  );
}
