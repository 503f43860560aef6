import type { Client, ClientChannel } from 'ssh2';

/** A command that runs while one talks with it. Its stdin ends with the conversation, which is how it knows that nobody listens any more. */
export interface Conversation {
  /** The next line that it prints; `null` once it has ended. */
  line(): Promise<string | null>;
  say(text: string): void;
  /** The last of what it printed on stderr, for messages. */
  complaint(): string;
}

/** The connection gave no channel: nothing was begun. */
export class NotBegun extends Error {}

/** The host hangs: it did not even give a channel. */
export class NoAnswer extends Error {}

/** Longer lines are cut into pieces; none of ours comes near. */
const LONGEST_LINE = 64 * 1024;
const LONGEST_COMPLAINT = 2_000;

interface Talk<T> {
  readonly client: Client;
  /** Already quoted. */
  readonly line: string;
  readonly deadlineMs: number;
  readonly talk: (conversation: Conversation) => Promise<T>;
}

/** Runs a command, talks with it, and ends it: by the end of its stdin, and by closing its channel. After `deadlineMs` it counts as ended. */
export async function converse<T>({ client, line, deadlineMs, talk }: Talk<T>): Promise<T> {
  const channel = await open(client, line, deadlineMs);
  const { conversation, end } = linesOf(channel);
  // A host that hangs closes nothing: the conversation ends all the same.
  const timer = setTimeout(end, deadlineMs);
  try {
    return await talk(conversation);
  } finally {
    clearTimeout(timer);
    channel.end();
    channel.close();
  }
}

function open(client: Client, line: string, deadlineMs: number): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new NoAnswer());
      client.destroy();
    }, deadlineMs);
    try {
      client.exec(line, (error, channel) => {
        clearTimeout(timer);
        if (error === undefined) resolve(channel);
        else reject(new NotBegun(error.message));
      });
    } catch (error) {
      // ssh2 throws where the connection is known to be closed.
      clearTimeout(timer);
      reject(new NotBegun(error instanceof Error ? error.message : String(error)));
    }
  });
}

function linesOf(channel: ClientChannel): { conversation: Conversation; end: () => void } {
  const lines: string[] = [];
  let [rest, complaint, ended] = ['', '', false];
  let wake = () => {};
  channel.setEncoding('utf8');
  channel.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = (parts.pop() ?? '').slice(-LONGEST_LINE);
    lines.push(...parts);
    wake();
  });
  channel.stderr.setEncoding('utf8');
  channel.stderr.on('data', (text: string) => {
    complaint = (complaint + text).slice(-LONGEST_COMPLAINT);
  });
  // It may end before it has read all that was said to it.
  channel.on('error', () => undefined);
  const end = () => {
    ended = true;
    wake();
  };
  channel.on('close', end);
  const conversation: Conversation = {
    async line() {
      while (lines.length === 0 && !ended) await new Promise<void>((resolve) => (wake = resolve));
      return lines.shift() ?? null;
    },
    say: (text) => void channel.write(text),
    complaint: () => complaint.trim(),
  };
  return { conversation, end };
}
