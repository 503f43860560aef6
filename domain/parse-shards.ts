import { UnreadableAnswer } from './unreadable.js';

const COMMAND = 'CLUSTER SHARDS';

/**
 * Reads CLUSTER SHARDS (https://valkey.io/commands/cluster-shards/): the IDs of the other masters in the shard of a node. They were masters when they were heard of last, and another one
 * has taken over since.
 * @throws UnreadableAnswer where the answer is something else
 */
export function fallenMasters(answer: unknown, id: string): string[] {
  const shards = listIn(answer, 'no list of shards').map((shard) => {
    const { nodes } = fieldsIn(shard);
    return listIn(nodes, 'a shard without nodes').map(fieldsIn);
  });
  const own = shards.find((nodes) => nodes.some((node) => node['id'] === id)) ?? [];
  return own.flatMap((node) => (node['role'] === 'master' && node['id'] !== id ? [textIn(node['id'])] : []));
}

/** Names and values by turns. */
function fieldsIn(value: unknown): Readonly<Record<string, unknown>> {
  const words = listIn(value, 'an entry that is none');
  if (words.length % 2 !== 0) throw new UnreadableAnswer(COMMAND, 'a name without a value');
  return Object.fromEntries(words.flatMap((word, i) => (i % 2 === 0 ? [[textIn(word), words[i + 1]] as const] : [])));
}

function listIn(value: unknown, otherwise: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new UnreadableAnswer(COMMAND, otherwise);
  return value;
}

function textIn(value: unknown): string {
  if (typeof value !== 'string') throw new UnreadableAnswer(COMMAND, 'a name that is no text');
  return value;
}
