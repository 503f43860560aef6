import type { HostRecord, Lease } from '../../domain/survey.js';
import { UnreadableAnswer } from '../../domain/unreadable.js';
import { type Answer, hexDigest, wholeNumber } from './answer.js';

/** The record as the helper's `say_record` prints it. @throws UnreadableAnswer */
export function parseRecord(answer: Answer): HostRecord {
  const helper = answer.only('helper')?.[0];
  const cluster = answer.only('cluster');
  return {
    helperSha256: helper === '-' ? null : hexDigest('helper', helper),
    cluster: cluster === undefined ? null : parseCluster(cluster),
    generation: wholeNumber('generation', answer.only('generation')?.[0]),
    lease: parseLease(answer),
    identities: parseIdentities(answer.all('identity')),
    ...parseForgotten(answer.all('forgotten')),
  };
}

function parseCluster([name = '', uid = '']: readonly string[]): { name: string; uid: string } {
  if (name === '' || uid === '') throw new UnreadableAnswer('cluster', `${name} ${uid}`);
  return { name, uid };
}

function parseIdentities(lines: readonly string[][]): Record<string, string> {
  const identities: Record<string, string> = {};
  for (const [digits, id = ''] of lines) {
    const port = wholeNumber('identity', digits);
    if (!/^[0-9a-f]{40}$/.test(id) || (identities[port] ?? id) !== id)
      throw new UnreadableAnswer('identity', `${port} ${id}`);
    identities[port] = id;
  }
  return identities;
}

function parseForgotten(lines: readonly string[][]): Pick<HostRecord, 'forgotten'> {
  const forgotten = lines.map(([digits, id = '']) => {
    if (!/^[0-9a-f]{40}$/.test(id))
      throw new UnreadableAnswer('forgotten', `${wholeNumber('forgotten', digits)} ${id}`);
    return id;
  });
  return forgotten.length === 0 ? {} : { forgotten };
}

/** @throws UnreadableAnswer */
export function parseLease(answer: Answer): Lease | null {
  const fields = answer.only('lease');
  if (fields === undefined) return null;
  const [generation, server = '', workflowId = '', runId = '', operation = '', actor = '', since = ''] = fields;
  return { generation: wholeNumber('lease', generation), server, workflowId, runId, operation, actor, since };
}
