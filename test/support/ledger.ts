import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SlotRange } from '../../domain/slots.js';
import type {
  Answer,
  Ask,
  Asked,
  KeySample,
  LedgerCounts,
  LedgerRequest,
  LedgerVerdict,
  Loss,
  VerifyRequest,
} from '../ledger/protocol.js';

export type { LedgerCounts, LedgerRequest, LedgerVerdict, Loss } from '../ledger/protocol.js';

const WRITER = fileURLToPath(new URL('../ledger/writer.ts', import.meta.url));
/** So many of a kind are named in full. */
const NAMED = 8;

/** Cluster-aware clients that write without end, in a process of their own, and remember every write that was acknowledged. */
export interface Ledger {
  counts(): Promise<LedgerCounts>;
  /** Writes no more; what is under way comes to its end. */
  pause(): Promise<void>;
  /** Stops writing and reads all keys back, through the cluster and on every master. */
  verify(request?: VerifyRequest): Promise<LedgerVerdict>;
  /** Takes away all that it wrote, so that the next one has the memory. */
  clear(): Promise<void>;
  /** Some keys that are not being written, for tests of the ledger itself. */
  sample(): Promise<KeySample[]>;
  /** Ends the process; nothing happens where it has ended. */
  close(): Promise<void>;
}

/** Starts one; it writes when this resolves. */
export async function startLedger(request: LedgerRequest): Promise<Ledger> {
  const child = spawn(process.execPath, ['--import', 'tsx', WRITER], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const ask = conversation(child);
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const close = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  try {
    await ask({ ask: 'start', request });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    counts: () => ask({ ask: 'counts' }) as Promise<LedgerCounts>,
    pause: async () => void (await ask({ ask: 'pause' })),
    clear: async () => void (await ask({ ask: 'clear' })),
    sample: () => ask({ ask: 'sample' }) as Promise<KeySample[]>,
    verify: (verify = {}) => ask({ ask: 'verify', request: verify }) as Promise<LedgerVerdict>,
    close,
  };
}

function conversation(child: ChildProcess): (ask: Ask) => Promise<unknown> {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let asked = 0;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (output = `${output}${chunk.toString()}`.slice(-4000)));
  }
  child.on('message', ({ id, failed, value }: Answer) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (failed === undefined) one?.resolve(value);
    else one?.reject(new Error(`the ledger failed: ${failed}`));
  });
  child.once('close', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`the ledger ended (${code ?? signal}): ${output}`));
    waiting.clear();
  });
  return (ask) =>
    new Promise((resolve, reject) => {
      const id = ++asked;
      waiting.set(id, { resolve, reject });
      child.send({ id, ask } satisfies Asked, (error) => {
        if (error !== null) reject(error);
      });
    });
}

/** A master that was killed, and what it may have taken with it: writes that it acknowledged and had not replicated. */
export interface KilledMaster {
  readonly node: string;
  /** Those that it owned. */
  readonly slots: readonly SlotRange[];
  /** When it was about to be killed, and when it was seen to be gone: milliseconds since 1970. */
  readonly at: number;
  readonly goneAt: number;
  /** Only writes acknowledged so shortly before the kill may be lost; a second where nothing is said. */
  readonly withinMs?: number;
}

export interface LossAccount {
  /** What each killed master had not replicated. */
  readonly excused: readonly { readonly node: string; readonly losses: readonly Loss[] }[];
  readonly unexcused: readonly Loss[];
}

/** Writers note an acknowledgement a moment after it has come. */
const AFTERWARDS_MS = 250;

/** Which losses were to be expected of these kills: in the slots of the killed master, and of writes acknowledged right before it. */
export function accountFor({ losses }: LedgerVerdict, kills: readonly KilledMaster[] = []): LossAccount {
  const isOf = ({ slots, at, goneAt, withinMs = 1000 }: KilledMaster, { slot, ackedAt, problem }: Loss): boolean =>
    ackedAt !== null &&
    problem !== 'foreign' &&
    slots.some(([from, to]) => from <= slot && slot <= to) &&
    at - withinMs <= ackedAt &&
    ackedAt <= goneAt + AFTERWARDS_MS;
  return {
    excused: kills.map((kill) => ({ node: kill.node, losses: losses.filter((loss) => isOf(kill, loss)) })),
    unexcused: losses.filter((loss) => !kills.some((kill) => isOf(kill, loss))),
  };
}

/** What is wrong with a ledger, a line each; empty where every acknowledged write is there and no client saw an error. */
export function ledgerProblems(
  verdict: LedgerVerdict,
  { kills = [], errors = 'none' }: { kills?: readonly KilledMaster[]; errors?: 'none' | 'accepted' } = {},
): string[] {
  const { unexcused } = accountFor(verdict, kills);
  const lossLines = unexcused.slice(0, NAMED).map(lossWords);
  const more = unexcused.length > NAMED ? [`… and ${unexcused.length - NAMED} more losses`] : [];
  const errorLines =
    errors === 'accepted'
      ? []
      : [
          ...Object.entries(verdict.errorWords).map(([words, times]) => `${times} times a client was told: ${words}`),
          ...verdict.errorSamples.slice(0, NAMED).map(errorWords),
        ];
  return [...lossLines, ...more, ...errorLines];
}

function lossWords({ problem, key, slot, expected, found, ackedAt }: Loss): string {
  const when = ackedAt === null ? '' : `, acknowledged at ${new Date(ackedAt).toISOString()}`;
  return `${problem}: ${key} in slot ${slot}: expected ${expected}, found ${found}${when}`;
}

function errorWords({ at, command, key, slot, words }: LedgerVerdict['errorSamples'][number]): string {
  return `${new Date(at).toISOString()} ${command} ${key} in slot ${slot}: ${words}`;
}

/** One line about a ledger, for a report. */
export function ledgerWords(verdict: LedgerVerdict, kills: readonly KilledMaster[] = []): string {
  const { acknowledged, perSecond, errors, unsure, slots, leastWrites, latency, keysRead } = verdict;
  const { excused, unexcused } = accountFor(verdict, kills);
  const lost = excused.map(
    ({ node, losses }, i) =>
      `, ${losses.length} not yet replicated by ${node} when it was killed (${new Date(kills[i]?.at ?? 0).toISOString()})`,
  );
  return [
    `${acknowledged} writes acknowledged (${perSecond}/s), ${errors} errors, ${unsure} of unknown outcome`,
    `; each of ${slots} slots at least ${leastWrites} times; p50 ${latency.p50} ms, p99 ${latency.p99} ms, max ${latency.max} ms`,
    `; ${keysRead} keys read back, ${unexcused.length} not as acknowledged${lost.join('')}`,
  ].join('');
}
