import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { SecretProgram } from '../domain/secret-ref.js';

/** What stands at a reference, or why nothing can be had there: to be read after the reference, and never with any of its content. */
export type Found = { readonly text: string } | { readonly missing: string; readonly next: string };

/** Longer than any secret that is let in; a program that prints more was not meant. */
const MOST_OUTPUT_BYTES = 64 * 1024;

const AS_TEXT = 'Keep binary secrets as base64 or hex.';
const BY_HAND =
  'Run it by hand on that machine, as the user of this process and without a terminal: what it says is not shown here.';

export function fromEnvironment(env: NodeJS.ProcessEnv, name: string): Found {
  const text = env[name];
  if (text === undefined) return { missing: 'is not set', next: `Set ${name} in the environment of this process.` };
  // Bytes that are no text became this character on their way: two programs would have two secrets.
  return text.includes('\ufffd') ? { missing: 'is not UTF-8 text', next: AS_TEXT } : { text: withoutEnd(text) };
}

export async function fromFile(path: string): Promise<Found> {
  try {
    return decoded(await readFile(path));
  } catch (error) {
    return {
      missing: `cannot be read (${codeOf(error)})`,
      next: 'Put the file there, readable for the user of this process.',
    };
  }
}

/**
 * What a program prints on stdout. It runs without a shell, without a terminal and without input, in `/`, and is killed with all that it started
 * where it takes longer than `deadlineMs` or prints too much.
 */
export async function fromProgram(
  { program, args }: SecretProgram,
  { env, deadlineMs }: { env: NodeJS.ProcessEnv; deadlineMs: number },
): Promise<Found> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, cwd: '/', stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    const output: Buffer[] = [];
    let bytes = 0;
    const abandon = (missing: string) => {
      endGroup(child.pid);
      child.stdout.destroy();
      resolve({ missing, next: BY_HAND });
    };
    const deadline = setTimeout(() => abandon(`does not end within ${deadlineMs / 1000} s`), deadlineMs);
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MOST_OUTPUT_BYTES) output.push(chunk);
      else abandon(`prints more than ${MOST_OUTPUT_BYTES / 1024} KiB`);
    });
    child.once('error', (error) => {
      clearTimeout(deadline);
      resolve({
        missing: `cannot be run (${codeOf(error)})`,
        next: 'Put the program there, executable for the user of this process.',
      });
    });
    child.once('close', (exitCode, signal) => {
      clearTimeout(deadline);
      resolve(exitCode === 0 ? printed(Buffer.concat(output)) : { missing: endText(exitCode, signal), next: BY_HAND });
    });
  });
}

/** A NUL would be lost on the way through most programs, and two sides would have two secrets. */
function printed(output: Buffer): Found {
  return output.includes(0) ? { missing: 'prints a NUL byte', next: AS_TEXT } : decoded(output);
}

function endText(exitCode: number | null, signal: NodeJS.Signals | null): string {
  return exitCode === null ? `was ended by ${signal ?? 'a signal'}` : `ends with exit code ${exitCode}`;
}

/** The program leads a process group of its own. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

function decoded(bytes: Uint8Array): Found {
  try {
    return { text: withoutEnd(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)) };
  } catch {
    return { missing: 'is not UTF-8 text', next: AS_TEXT };
  }
}

/** Trailing newlines and NULs go, as they do in a shell's `$(cat file)`: people and we see the same secret. */
function withoutEnd(text: string): string {
  return text.replace(/[\n\0]+$/, '');
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
}
