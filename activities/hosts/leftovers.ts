import { ForgeError } from '../../domain/errors.js';
import type { HostLeftovers, JobLeft } from '../../domain/leftovers.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { effectsOf, parseAnswer } from './answer.js';
import { askHost, type HostAdapters, orderByHand } from './ask-host.js';
import { parseRecord } from './record.js';

export interface HostQuestion {
  readonly spec: ClusterSpec;
  readonly host: string;
}

/** What crashed operations may have left on a host. Only reads. @throws ForgeError those of a login; CommandFailed where the answer is cut off */
export async function readLeftovers(adapters: HostAdapters, { spec, host }: HostQuestion): Promise<HostLeftovers> {
  const { stdout } = await askHost(adapters, { spec, host, purpose: `look at ${host}`, words: ['leftovers'] });
  const answer = parseAnswer(stdout);
  if (answer.first('end') === undefined) {
    throw new ForgeError('CommandFailed', {
      what: `${host} stopped answering in the middle.`,
      left: 'It only read; nothing was changed.',
      next: 'Ask again.',
    });
  }
  const bytes = (word: string) => Number(answer.first(word)?.[0] ?? 0);
  return {
    host,
    record: parseRecord(answer),
    jobs: answer.all('job').map(parseJob),
    unfinished: answer.all('unfinished').map(([path = '', age = '0']) => ({ path, ageSeconds: Number(age) })),
    homes: answer.all('home').map(([port = '']) => port),
    journalBytes: bytes('journal'),
    refusalBytes: bytes('refusals'),
  };
}

function parseJob([name = '', state = '', pid = '-', , , generation = '0', run = '-']: readonly string[]): JobLeft {
  return { name, state, pid: Number(pid) || null, generation: Number(generation), run };
}

export interface HandRequest extends HostQuestion {
  readonly by: string;
}

/** Gives back the lease of a run that has ended, and of no other. @throws ForgeError Refused where another run holds it by now */
export async function releaseLeaseOf(
  adapters: HostAdapters,
  { run, ...request }: HandRequest & { readonly run: string },
): Promise<string[]> {
  const purpose = `release of the lease of ${request.host}`;
  return effectsOf(
    await orderByHand(adapters, { ...request, purpose, words: ['lease', 'release', run] }),
    request.host,
  );
}

/** Ends and forgets jobs of operations, and removes unfinished files of this age. @throws ForgeError Locked where an operation holds the host */
export async function sweepHost(
  adapters: HostAdapters,
  { olderThanSeconds, ...request }: HandRequest & { readonly olderThanSeconds: number },
): Promise<string[]> {
  const words = ['sweep', `${olderThanSeconds}`];
  const answer = await orderByHand(adapters, { ...request, purpose: `sweeping of ${request.host}`, words });
  return effectsOf(answer, request.host);
}
