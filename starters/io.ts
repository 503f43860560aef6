import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import pc from 'picocolors';
import { ForgeError } from '../domain/errors.js';
import { type ExitCode, exitCodeOf } from './exit.js';
import { forTerminal } from './terminal.js';

/** The terminal as the verbs see it; the only place that knows stdout, stderr and the environment. */
export interface CliIo {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Results: what a script reads. */
  out(line: string): void;
  /** Progress, questions and errors: what a person reads. */
  err(line: string): void;
  readonly colors: ReturnType<typeof pc.createColors>;
  /** Whether a person can be asked. */
  readonly interactive: boolean;
  /** Whether stderr is a terminal that can be redrawn. */
  readonly redraw: boolean;
  /** Takes the last lines of stderr back, where it can be redrawn. */
  erase(lines: number): void;
  ask(question: string): Promise<boolean>;
}

/** A verb adds itself to the program; its action ends in an exit code. */
export type Verb = (program: Command, io: CliIo) => void;

export function processIo(): CliIo {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', forgiveLostReader);
  return {
    env: process.env,
    cwd: process.cwd(),
    out: (line) => process.stdout.write(`${forTerminal(line)}\n`),
    err: (line) => process.stderr.write(`${forTerminal(line)}\n`),
    colors: pc.createColors(pc.isColorSupported && process.stdout.isTTY),
    interactive: process.stdin.isTTY && process.stderr.isTTY,
    redraw: process.stderr.isTTY,
    erase: (lines) => process.stderr.write(`\u001b[${lines}A\u001b[J`),
    async ask(question) {
      const terminal = createInterface({ input: process.stdin, output: process.stderr });
      // Ctrl-C and the end of the input are answers, too.
      const leaving = new AbortController();
      terminal.once('close', () => leaving.abort());
      try {
        return /^y(es)?$/i.test((await terminal.question(forTerminal(`${question} [y/N] `), leaving)).trim());
      } catch (error) {
        if (!leaving.signal.aborted) throw error;
        return false;
      } finally {
        terminal.close();
      }
    },
  };
}

/** Whoever read has gone (`| head`, a closed terminal): the work and its exit code stay what they are. */
function forgiveLostReader(error: Error): void {
  if (!('code' in error) || error.code !== 'EPIPE') throw error;
}

/** Wraps a verb's body: its result becomes the exit code, a refusal or failure is said to the person. */
export function action<Args extends unknown[]>(io: CliIo, run: (...args: Args) => Promise<ExitCode>) {
  return async (...args: Args): Promise<void> => {
    try {
      process.exitCode = await run(...args);
    } catch (error) {
      if (!(error instanceof ForgeError)) throw error;
      sayFailure(io, error);
      process.exitCode = exitCodeOf(error.type);
    }
  };
}

function sayFailure(io: CliIo, error: ForgeError): void {
  io.err(`${io.colors.red(error.type)}: ${error.text.what}`);
  if (error.text.left !== '') io.err(`  ${error.text.left}`);
  if (error.text.next !== '') io.err(`  next: ${error.text.next}`);
}
