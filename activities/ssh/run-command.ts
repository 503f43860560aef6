import type { Readable } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';

export interface Command {
  readonly client: Client;
  /** Already quoted. */
  readonly line: string;
  readonly stdin: string | (() => Readable);
  readonly deadlineMs: number;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command ended. `not-begun`: the connection gave no channel, so asking again on another one is safe. */
export type Ending =
  | { readonly kind: 'exited'; readonly result: CommandResult }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'not-begun'; readonly reason: string }
  | { readonly kind: 'lost' }
  | { readonly kind: 'deadline' }
  /** What was to be sent could not be read on this side. */
  | { readonly kind: 'no-input'; readonly error: unknown }
  | { readonly kind: 'too-much-output' };

/** More than any answer of ours; a command that prints on and on must not fill the worker's memory. */
export const MOST_OUTPUT_BYTES = 4 * 1024 * 1024;

/** A host that is told to close a channel does so at once; one that does not in this time is taken for hung. */
const CLOSE_MS = 2_000;

/** Runs one command on an open connection. When its time is over, its channel is closed; killing it is the host's part (`withDeadline`). */
export function runCommand({ client, line, stdin, deadlineMs }: Command): Promise<Ending> {
  return new Promise((resolve) => {
    let channel: ClientChannel | null = null;
    const settle = (ending: Ending) => {
      clearTimeout(timer);
      resolve(ending);
    };
    const giveUp = (ending: Ending) => {
      settle(ending);
      close(client, channel);
    };
    const timer = setTimeout(() => giveUp({ kind: 'deadline' }), deadlineMs);
    const begin = (error: Error | undefined, opened: ClientChannel) => {
      if (error !== undefined) {
        settle({ kind: 'not-begun', reason: error.message });
        return;
      }
      channel = opened;
      collect(opened, settle, giveUp);
      if (typeof stdin === 'string') opened.end(stdin);
      else send(stdin(), opened, (error) => giveUp({ kind: 'no-input', error }));
    };
    try {
      client.exec(line, begin);
    } catch (error) {
      // ssh2 throws where the connection is known to be closed.
      settle({ kind: 'not-begun', reason: error instanceof Error ? error.message : String(error) });
    }
  });
}

/** A command that ends before it has read all of its stdin is none of the sender's failures: its exit code says more. */
function send(source: Readable, channel: ClientChannel, failed: (error: Error) => void): void {
  source.once('error', failed);
  channel.once('close', () => source.destroy());
  source.pipe(channel);
}

function collect(channel: ClientChannel, settle: (ending: Ending) => void, giveUp: (ending: Ending) => void): void {
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let bytes = 0;
  let ending: { code: number | null; signal: string | undefined } | null = null;
  const take = (into: Buffer[]) => (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_OUTPUT_BYTES) giveUp({ kind: 'too-much-output' });
    else into.push(chunk);
  };
  channel.on('data', take(output.stdout));
  channel.stderr.on('data', take(output.stderr));
  // A command that ends before it has read all of its stdin; its exit code says more.
  channel.on('error', () => undefined);
  channel.on('exit', (code: number | null, signal?: string) => {
    ending = { code, signal };
  });
  channel.on('close', () => {
    if (ending === null) settle({ kind: 'lost' });
    else if (ending.code === null) settle({ kind: 'killed', signal: ending.signal ?? 'an unnamed signal' });
    else settle({ kind: 'exited', result: resultOf(ending.code, output) });
  });
}

function resultOf(exitCode: number, output: { stdout: Buffer[]; stderr: Buffer[] }): CommandResult {
  return {
    exitCode,
    stdout: Buffer.concat(output.stdout).toString('utf8'),
    stderr: Buffer.concat(output.stderr).toString('utf8'),
  };
}

/** A connection that does not even close a channel is given up. */
function close(client: Client, channel: ClientChannel | null): void {
  if (channel === null) {
    client.destroy();
    return;
  }
  const hung = setTimeout(() => client.destroy(), CLOSE_MS);
  channel.once('close', () => clearTimeout(hung));
  channel.close();
}
