import type { RuleProblem, SpecPath } from '../domain/spec-path.js';
import { type PathProblem, problemsOf } from './problems.js';
import { type SpecDocument, specSchema } from './schema.js';

/**
 * What takes the place of a required value that is missing or wrong, so that the rules can still be asked about the rest. Values that have to differ
 * from one another are made of the position. No spec with one of them is ever used.
 */
const STAND_INS: Readonly<Record<string, (position: number) => unknown>> = {
  apiVersion: () => 'redisforge/v1',
  name: () => 'stand-in',
  uid: () => '00000000-0000-0000-0000-000000000000',
  engine: () => ({ version: '7.2' }),
  'engine.version': () => '7.2',
  shape: () => ({ masters: 3 }),
  'shape.masters': () => 3,
  hosts: () => [standInHost(0)],
  'hosts.*': standInHost,
  'hosts.*.name': (position) => `stand-in-${position}`,
  'hosts.*.zone': () => 'stand-in',
  'hosts.*.address': (position) => `192.0.2.${position % 256}`,
  'hosts.*.nodes.*': (position) => 50_000 + position,
  'hosts.*.nodes.*.port': (position) => 50_000 + position,
  secrets: () =>
    Object.fromEntries(['operator', 'replication', 'app', 'admin'].map((duty) => [duty, standInSecret(duty)])),
  'secrets.operator': () => standInSecret('operator'),
  'secrets.replication': () => standInSecret('replication'),
  'secrets.app': () => standInSecret('app'),
  'secrets.admin': () => standInSecret('admin'),
  'secrets.operator.current': () => standInSecret('operator'),
  'secrets.replication.current': () => standInSecret('replication'),
  'secrets.app.current': () => standInSecret('app'),
  'secrets.admin.current': () => standInSecret('admin'),
};

function standInHost(position: number): unknown {
  return { name: `stand-in-${position}`, zone: 'stand-in', address: `192.0.2.${position % 256}` };
}

function standInSecret(duty: string): string {
  return `env:STAND_IN_${duty}`;
}

/**
 * The document without its unknown keys, and with its wrong values left to their defaults or to stand-ins; `null` where it cannot be mended so.
 * Taking a value out may leave its parent wrong (an empty list), hence more than one round.
 */
export function mended(document: unknown, problems: readonly PathProblem[], rounds = 3): SpecDocument | null {
  const value = problems.reduce((before, { path }) => replaced(before, path, standInFor(path)), document);
  const parsed = specSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  return rounds === 0 ? null : mended(value, problemsOf(parsed.error.issues, value), rounds - 1);
}

function standInFor(path: SpecPath): unknown {
  const pattern = path.map((part) => (typeof part === 'number' ? '*' : part)).join('.');
  const position = path.reduce<number>((sum, part) => (typeof part === 'number' ? sum * 16 + part : sum), 0);
  return Object.hasOwn(STAND_INS, pattern) ? STAND_INS[pattern]?.(position) : undefined;
}

/** A copy with the value at the path exchanged; taken out where there is none for it. */
function replaced(value: unknown, [key, ...rest]: SpecPath, by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown, i) => (i === Number(key) ? replaced(item, rest, by) : item));
    return items.filter((item) => item !== undefined);
  }
  const fields = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const inner = replaced(fields.find(([name]) => name === key)?.[1], rest, by);
  return Object.fromEntries([
    ...fields.filter(([name]) => name !== key),
    ...(inner === undefined ? [] : [[key, inner]]),
  ]);
}

/** Whether a rule's problem may come from one of the values that are broken anyway. */
export function standsOn(problem: RuleProblem, broken: readonly PathProblem[]): boolean {
  const wrong = broken.filter(({ unknownKey }) => unknownKey === undefined).map(({ path }) => path);
  return wrong.some(
    (path) =>
      within(problem.path, path) || (problem.with ?? []).some((other) => within(other, path) || within(path, other)),
  );
}

function within(path: SpecPath, parent: SpecPath): boolean {
  return parent.every((part, i) => part === path[i]);
}
