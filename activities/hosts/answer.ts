import { ForgeError } from '../../domain/errors.js';
import { UnreadableAnswer } from '../../domain/unreadable.js';
import { visible } from '../../domain/visible.js';

/** What the host helper printed: lines of fields between tabs, the first of which is a word that says what the others are. */
export interface Answer {
  /** All of it. */
  readonly lines: readonly string[];
  /** The fields of each line with this word, in order. */
  all(word: string): string[][];
  /** The fields of the first line with this word. */
  first(word: string): string[] | undefined;
  /** The same, for what can be said once only. @throws UnreadableAnswer where it is said twice and not the same */
  only(word: string): string[] | undefined;
}

/** What a terminal would act on is written out: a login shell or a file with a strange name may say anything. */
export function parseAnswer(stdout: string): Answer {
  const lines = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(visible);
  const split = lines.map((line) => line.split('\t'));
  const all = (word: string) => split.filter((line) => line[0] === word).map((line) => line.slice(1));
  const first = (word: string) => all(word)[0];
  return { lines, all, first, only: (word) => theOne(word, all(word)) };
}

/** The fields that all these lines have. @throws UnreadableAnswer where they differ */
export function theOne(word: string, lines: readonly string[][]): string[] | undefined {
  const [one, ...others] = lines;
  if (others.some((other) => other.join('\t') !== one?.join('\t'))) throw new UnreadableAnswer(word, 'said twice');
  return one;
}

/** @throws UnreadableAnswer for what is no number, or one that cannot be counted with */
export function wholeNumber(word: string, digits: string | undefined): number {
  const value = /^\d{1,16}$/.test(digits ?? '') ? Number(digits) : NaN;
  if (!Number.isSafeInteger(value)) throw new UnreadableAnswer(word, digits ?? 'nothing');
  return value;
}

/** @throws UnreadableAnswer */
export function hexDigest(word: string, digest: string | undefined): string {
  if (digest === undefined || !/^[0-9a-f]{64}$/.test(digest)) throw new UnreadableAnswer(word, digest ?? 'nothing');
  return digest;
}

/** What `read` makes of a host's answer. Throws ForgeError CommandFailed where it cannot be read. */
export function readable<T>(
  { host, purpose, left }: { host: string; purpose: string; left: string },
  read: () => T,
): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UnreadableAnswer)) throw error;
    throw new ForgeError('CommandFailed', {
      what: `What ${host} said for the ${purpose} cannot be understood: ${error.message}.`,
      left,
      next: `Look whether the login shell on ${host} prints something of its own, and at its record (\`redisforge-host show\`).`,
    });
  }
}

/** The effects in the words of a report; the journal on the host has their names. */
export function effectsOf(answer: Answer, host: string): string[] {
  return answer.all('effect').map(([name = '', detail = '']) => `${host}: ${effectWords(name)} ${detail}`);
}

function effectWords(name: string): string {
  return (Object.hasOwn(EFFECT_WORDS, name) ? EFFECT_WORDS[name] : undefined) ?? name;
}

const EFFECT_WORDS: Readonly<Record<string, string>> = {
  'helper.installed': 'installed the host helper',
  'host.claimed': 'claimed for cluster',
  'host.released': 'released,',
  'lease.taken': 'took the lease for',
  'lease.released': 'gave back the lease of',
  'identity.recorded': 'recorded the identity of node',
  'identity.forgotten': 'let go of the identity of node',
  'folder.created': 'created folder',
  'folder.mode': 'changed the mode of folder',
  'file.created': 'created file',
  'file.updated': 'updated file',
  'file.mode': 'changed the mode of file',
  'os.set': 'set',
  'os.kept': 'wrote for the next boot',
  'os.forgotten': 'took away',
  'account.created': 'created account',
  'unit.created': 'created unit',
  'unit.updated': 'updated unit',
  'unit.removed': 'removed unit',
  'node.enabled': 'enabled at boot: node',
  'node.disabled': 'no longer enabled at boot: node',
  'node.accepted': 'accepted that node',
  'link.created': 'linked',
  'link.switched': 'switched',
  'archive.received': 'received archive',
  'package.installed': 'installed and held package',
  'engine.installed': 'installed engine',
  'job.started': 'started job',
  'job.cleaned': 'forgot job',
  'node.started': 'started node',
  'node.stopping': 'stopped node',
  'node.removed': 'removed node',
  'job.ended': 'ended job',
  'job.killed': 'killed job',
  'unfinished.removed': 'removed the unfinished file',
};
