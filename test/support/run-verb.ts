import { Command } from 'commander';
import pc from 'picocolors';
import type { CliIo, Verb } from '../../starters/io.js';

export interface VerbRun {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/** Runs one verb of the command line in this process, without a terminal; what it printed, and its exit code. */
export async function runVerb(verb: Verb, cwd: string, argv: readonly string[]): Promise<VerbRun> {
  const out: string[] = [];
  const err: string[] = [];
  const io: CliIo = {
    env: process.env,
    cwd,
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    colors: pc.createColors(false),
    interactive: false,
    redraw: false,
    erase: () => undefined,
    ask: () => Promise.resolve(false),
  };
  const program = new Command().exitOverride();
  verb(program, io);
  const before = process.exitCode;
  await program.parseAsync([...argv], { from: 'user' });
  const code = Number(process.exitCode);
  process.exitCode = before;
  return { out: out.join('\n'), err: err.join('\n'), code };
}
