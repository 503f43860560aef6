import { nodeName } from '../../domain/nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { askHost, type HostAdapters } from './ask-host.js';
import { visible } from '../../domain/visible.js';
import { redacted } from './redact.js';

/** One effect on a host, as its journal has it. */
export interface JournalLine {
  /** ISO 8601, the host's clock. */
  readonly at: string;
  readonly generation: number;
  readonly step: string;
  readonly attempt: number;
  readonly effect: string;
  readonly detail: string;
}

/** More lines than any operation writes; what is older can be read on the host. */
const JOURNAL_LINES = 10_000;

/** What was changed on a host, oldest first; empty on a bare one. Only reads. */
export async function readJournal(
  adapters: HostAdapters,
  { spec, host }: { spec: ClusterSpec; host: string },
): Promise<JournalLine[]> {
  const { stdout } = await askHost(adapters, {
    spec,
    host,
    purpose: `journal of ${host}`,
    words: ['journal', `${JOURNAL_LINES}`],
  });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseJournalLine(visible(line)));
}

function parseJournalLine(line: string): JournalLine {
  const [at = '', generation = '0', step = '', attempt = '0', effect = '', detail = ''] = line.split('\t');
  return { at, generation: Number(generation), step, attempt: Number(attempt), effect, detail };
}

/** The last `lines` lines of a node's log, without those that may hold a secret. Only reads. */
export async function readLog(
  adapters: HostAdapters,
  { spec, host, port, lines }: { spec: ClusterSpec; host: string; port: number; lines: number },
): Promise<string> {
  const { stdout } = await askHost(adapters, {
    spec,
    host,
    purpose: `log of ${nodeName(host, port)}`,
    words: ['node', 'log', `${port}`, `${lines}`],
  });
  return visible(stdout.split('\n').map(redacted).join('\n'));
}
