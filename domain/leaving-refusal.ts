import { leavingNodes } from './nodes.js';
import type { ClusterSpec } from './spec.js';
import type { NodeStatus } from './verdict.js';

/**
 * Why nodes cannot leave as the spec says: one that is given up as lost and answers may take writes that nobody would ever move, and one that does not answer
 * cannot give its slots away. `null` where all can.
 */
export function leavingRefusal(spec: ClusterSpec, nodes: readonly NodeStatus[]): { what: string; next: string } | null {
  const marked = leavingNodes(spec).flatMap(({ name, leaving }) => {
    const seen = nodes.find((node) => node.name === name);
    return seen === undefined ? [] : [{ leaving, seen }];
  });
  const alive = marked.filter(({ leaving, seen }) => leaving === 'lost' && seen.answered);
  if (alive.length > 0) {
    return {
      what: `${names(alive)} ${alive.length === 1 ? 'answers' : 'answer'}, and would be given up as lost.`,
      next: 'Let it give its slots away first: `replace … --drain`, or `scale remove` without --lost.',
    };
  }
  // One that nobody knows any more has left already.
  const dead = marked.filter(({ leaving, seen }) => leaving === 'drain' && !seen.answered && seen.role !== 'unknown');
  if (dead.length === 0) return null;
  return {
    what: `${names(dead)} ${dead.length === 1 ? 'does' : 'do'} not answer, and cannot give slots away.`,
    next: 'Start it (`redisforge apply` of the spec as it is). Where it will not come back: `scale remove --lost`, or `replace` without --drain.',
  };
}

function names(nodes: readonly { readonly seen: NodeStatus }[]): string {
  return nodes.map(({ seen }) => seen.name).join(', ');
}
