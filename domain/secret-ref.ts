import type { SecretRef } from './spec.js';

/** The program and the arguments of an `exec:` reference, which no shell ever sees. */
export interface SecretProgram {
  readonly program: string;
  readonly args: readonly string[];
}

/** The one way to write such a reference: the vector as JSON. */
export function execRef([program, ...args]: readonly [string, ...string[]]): SecretRef {
  return `exec:${JSON.stringify([program, ...args])}`;
}

/** What an `exec:` reference runs; `null` for the other kinds. */
export function programOf(ref: SecretRef): SecretProgram | null {
  if (!ref.startsWith('exec:')) return null;
  const [program = '', ...args] = JSON.parse(ref.slice('exec:'.length)) as string[];
  return { program, args };
}

/** How a reference looks that is written in one word. */
export const SECRET_WORD = /^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0\n]+|exec:[/[][^\0\n]+)$/;

/**
 * A reference as a person writes it in one word: `env:NAME`, `file:PATH`, `exec:/absolute/program` or `exec:["/absolute/program","argument"]`.
 * `null` for everything else.
 */
export function parseSecretRef(word: string): SecretRef | null {
  if (!SECRET_WORD.test(word)) return null;
  const rest = word.slice(word.indexOf(':') + 1);
  if (word.startsWith('env:')) return `env:${rest}`;
  if (word.startsWith('file:')) return `file:${rest}`;
  const vector = rest.startsWith('[') ? jsonOf(rest) : [rest];
  return isVector(vector) ? execRef(vector) : null;
}

/** A program by its absolute path, and its arguments; none of them with a NUL, which no argument can hold. */
export function isVector(value: unknown): value is readonly [string, ...string[]] {
  return (
    Array.isArray(value) &&
    value.every((part) => typeof part === 'string' && !part.includes('\0')) &&
    /^\/[^\n]*[^\n/]$/.test(String(value[0]))
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
