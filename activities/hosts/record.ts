import type { HostRecord, Lease } from '../../domain/survey.js';
import type { Answer } from './answer.js';

/** The record as the helper's `say_record` prints it. */
export function parseRecord(answer: Answer): HostRecord {
  const [helper = '-'] = answer.first('helper') ?? [];
  const cluster = answer.first('cluster');
  const [generation = '0'] = answer.first('generation') ?? [];
  return {
    helperSha256: helper === '-' ? null : helper,
    cluster: cluster === undefined ? null : { name: cluster[0] ?? '', uid: cluster[1] ?? '' },
    generation: Number(generation),
    lease: parseLease(answer),
    identities: Object.fromEntries(answer.all('identity').map(([port = '', id = '']) => [port, id])),
  };
}

export function parseLease(answer: Answer): Lease | null {
  const fields = answer.first('lease');
  if (fields === undefined) return null;
  const [generation = '0', server = '', workflowId = '', runId = '', operation = '', actor = '', since = ''] = fields;
  return { generation: Number(generation), server, workflowId, runId, operation, actor, since };
}
