import type { Capabilities } from '../../domain/capabilities.js';
import { fallenMasters } from '../../domain/parse-shards.js';
import { valueOf } from './connection.js';
import type { OpenNodes } from './open-nodes.js';

export interface AskedMaster {
  readonly name: string;
  readonly id: string;
  readonly capabilities: Capabilities;
}

/**
 * IDs of masters that fell, in whose place this one is, and that would take its slots when they come back while they still import one (Valkey). None where the server knows no such thing, or
 * may not be asked by this user.
 * @throws NodeSilent; ForgeError Fenced; UnreadableAnswer
 */
export async function fallenBefore(
  { name, id, capabilities }: AskedMaster,
  nodes: Pick<OpenNodes, 'send'>,
): Promise<readonly string[]> {
  if (!capabilities.importerReclaims) return [];
  const [reply] = await nodes.send(name, [['CLUSTER', 'SHARDS']]);
  return reply?.ok === true ? fallenMasters(valueOf(reply), id) : [];
}
