/** What the host helper printed: lines of fields between tabs, the first of which is a word that says what the others are. */
export interface Answer {
  /** All of it, as it was printed. */
  readonly lines: readonly string[];
  /** The fields of each line with this word, in order. */
  all(word: string): string[][];
  /** The fields of the first line with this word. */
  first(word: string): string[] | undefined;
}

export function parseAnswer(stdout: string): Answer {
  const lines = stdout.split('\n').filter((line) => line !== '');
  const split = lines.map((line) => line.split('\t'));
  const all = (word: string) => split.filter((line) => line[0] === word).map((line) => line.slice(1));
  return { lines, all, first: (word) => all(word)[0] };
}

/** The effects in the words of a report; the journal on the host has their names. */
export function effectsOf(answer: Answer, host: string): string[] {
  return answer.all('effect').map(([name = '', detail = '']) => `${host}: ${EFFECT_WORDS[name] ?? name} ${detail}`);
}

const EFFECT_WORDS: Readonly<Record<string, string>> = {
  'helper.installed': 'installed the host helper',
  'host.claimed': 'claimed for cluster',
  'host.released': 'released,',
  'lease.taken': 'took the lease for',
  'lease.released': 'gave back the lease of',
  'identity.recorded': 'recorded the identity of node',
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
  'engine.installed': 'installed engine',
  'job.started': 'started job',
  'job.cleaned': 'forgot job',
  'node.started': 'started node',
  'node.stopping': 'stopped node',
  'node.removed': 'removed node',
  'job.ended': 'ended job',
  'job.killed': 'killed job',
};
