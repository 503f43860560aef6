import type { AnsweringNode } from './observation.js';
import { parseInfo, readClusterInfo, readServerInfo } from './parse-info.js';
import { myselfIn, parseClusterNodes } from './parse-nodes.js';
import { UnreadableAnswer } from './unreadable.js';

/** What one node answered, as it came. */
export interface NodeTexts {
  readonly clusterNodes: string;
  readonly clusterInfo: string;
  readonly myId: string;
  readonly info: string;
}

/**
 * What a node says of itself and the others.
 * @throws UnreadableAnswer where a text does not follow its format, or the texts contradict each other
 */
export function readNode({ clusterNodes, clusterInfo, myId, info }: NodeTexts) {
  const view = parseClusterNodes(clusterNodes);
  if (myselfIn(view) !== myId) throw new UnreadableAnswer('CLUSTER MYID', myId);
  return {
    id: myId,
    view,
    ...readClusterInfo(parseInfo(clusterInfo)),
    ...readServerInfo(parseInfo(info)),
  } satisfies Partial<AnsweringNode>;
}
