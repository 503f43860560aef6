import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import type { ClusterSpec } from '../domain/spec.js';
import { pathText, type RuleProblem } from '../domain/spec-path.js';
import { ruleProblems } from '../domain/spec-rules.js';
import { completeSpec, type Places } from './complete.js';
import { readYaml, type YamlFile } from './document.js';
import { mended, standsOn } from './mend.js';
import { type PathProblem, problemsOf } from './problems.js';
import { specSchema } from './schema.js';

export interface LoadedSpec {
  readonly spec: ClusterSpec;
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

export interface SpecProblem {
  /** As `hosts[2].ssh.port`; empty for the file as a whole. */
  readonly path: string;
  readonly line: number;
  readonly reason: string;
  /** What would be right. */
  readonly right: string;
}

interface SpecFile {
  readonly path: string;
  /** For `~`. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Reads and checks a spec. Relative paths in it count from its own folder. Throws ForgeError BadSpec with all problems at once. */
export async function loadSpec(file: SpecFile): Promise<LoadedSpec> {
  const checked = await checkSpec(file);
  if (!('problems' in checked)) return checked;
  const { problems } = checked;
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  throw new ForgeError('BadSpec', {
    what: `${file.path} has ${count}:\n${problems.map((problem) => `  ${describeProblem(problem)}`).join('\n')}`,
    left: 'Nothing was changed.',
    next: 'Correct the file; `redisforge validate -f` checks it without doing anything.',
  });
}

/** As `loadSpec`, with the problems as a result. Throws ForgeError BadSpec only where the file cannot be read. */
export async function checkSpec({ path, env = {} }: SpecFile): Promise<LoadedSpec | { problems: SpecProblem[] }> {
  const absolute = resolve(path);
  const text = await readSpecFile(absolute);
  const read = readSpec(text, { folder: dirname(absolute), home: env.HOME });
  return 'problems' in read ? read : { spec: read.spec, path: absolute, text };
}

/** All problems of a spec's text; none where it may be used. */
export function specProblems(text: string): SpecProblem[] {
  const read = readSpec(text, { folder: '/', home: '/' });
  return 'problems' in read ? read.problems : [];
}

export function describeProblem({ line, path, reason, right }: SpecProblem): string {
  return `line ${line}: ${path === '' ? 'the file' : path} ${reason}. Right: ${right}`;
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not read it',
};

async function readSpecFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new ForgeError(
      'BadSpec',
      {
        what: `The spec ${path} cannot be read: ${UNREADABLE[code] ?? code}.`,
        left: 'Nothing was changed.',
        next: 'Name a spec with -f; `redisforge init` writes one.',
      },
      { cause: error },
    );
  }
}

/** As `checkSpec`, of a text that is in no file yet. */
export function readSpec(text: string, places: Places): { spec: ClusterSpec } | { problems: SpecProblem[] } {
  const file = readYaml(text);
  if (file.errors.length > 0) {
    return { problems: file.errors.map(({ line, reason }) => ({ path: '', line, reason, right: 'valid YAML' })) };
  }
  const parsed = specSchema.safeParse(file.value);
  if (!parsed.success) {
    const problems = problemsOf(parsed.error.issues, file.value);
    return { problems: located(file, [...problems, ...problemsBeside(problems, file.value, places)]) };
  }
  const { spec, problems } = completeSpec(parsed.data, places);
  const broken = [...problems, ...ruleProblems(spec)];
  return broken.length === 0 ? { spec } : { problems: located(file, broken) };
}

/** What else is wrong with a spec that has broken values: the rules are asked about the rest of it. */
function problemsBeside(broken: readonly PathProblem[], value: unknown, places: Places): RuleProblem[] {
  const document = mended(value, broken);
  if (document === null) return [];
  const { spec, problems } = completeSpec(document, places);
  return [...problems, ...ruleProblems(spec)].filter((problem) => !standsOn(problem, broken));
}

function located(file: YamlFile, problems: readonly PathProblem[]): SpecProblem[] {
  return problems
    .map((problem) => ({
      path: pathText(problem.hiddenKey === true ? [...problem.path.slice(0, -1), '…'] : problem.path),
      line: file.lineOf(problem.path),
      reason: problem.reason,
      right: problem.right,
    }))
    .sort((a, b) => a.line - b.line);
}
