import type { LookedNode } from '../../../domain/members.js';
import { lostNodes } from '../../../domain/nodes.js';
import type { ClusterStep } from '../../../domain/reshape-steps.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { userName } from '../../../domain/users.js';
import { Fence, type FenceDeps } from '../fence.js';
import { FormingNodes } from '../forming-nodes.js';

export interface MembersDeps extends FenceDeps {
  /** Told what goes on, several times a second: a heartbeat. */
  readonly progress?: (what: string) => void;
  readonly signal?: AbortSignal;
}

export interface MembersRequest extends ClusterStep {
  /** Names of nodes that may be silent; they are left out for as long as this attempt lasts. Nodes that are lost are never asked. */
  readonly mayBeSilent: ReadonlySet<string>;
  /** Called with a first look by the operator, who can only read, before anything is done. @throws ForgeError Refused where nothing may be */
  readonly guard: (nodes: readonly LookedNode[]) => void;
}

/**
 * Works on the nodes of a formed cluster behind a fence of its own, which is taken down afterwards.
 * @throws ForgeError those of `guard` and `work`, NodeUnreachable where a node that has to be there does not answer, NodeAuthFailed, Fenced, SecretUnavailable
 */
export async function withMembers<T>(
  { spec, token, mayBeSilent, guard }: MembersRequest,
  deps: FenceDeps,
  work: (nodes: FormingNodes) => Promise<T>,
): Promise<T> {
  const looked = await lookAsOperator(spec, deps);
  guard(looked);
  const silent = looked.filter(({ answered, name }) => !answered && mayBeSilent.has(name)).map(({ name }) => name);
  const asked = withoutNodes(withoutLost(spec), new Set(silent));
  const names = looked.map(({ name }) => name).filter((name) => !silent.includes(name));
  const fence = await Fence.raise({ spec, token, nodes: names, rights: 'steer' }, deps);
  const nodes = new FormingNodes(asked, {
    credentials: fence.credentials,
    raiseAgain: (name) => fence.raiseAgain(name),
  });
  try {
    return await work(nodes);
  } finally {
    nodes.close();
    await fence.lower();
  }
}

/** Only reads. A node that does not answer is a part of the picture. @throws ForgeError SecretUnavailable */
async function lookAsOperator(
  spec: ClusterSpec,
  { secrets }: Pick<FenceDeps, 'secrets'>,
): Promise<readonly LookedNode[]> {
  const credentials = { user: userName(spec, 'operator'), password: await secrets(spec.secrets.operator.current) };
  const nodes = new FormingNodes(withoutLost(spec), { credentials, raiseAgain: () => Promise.resolve() });
  try {
    return await nodes.look();
  } finally {
    nodes.close();
  }
}

/** The spec without the nodes whose host will not come back. */
function withoutLost(spec: ClusterSpec): ClusterSpec {
  const lost = lostNodes(spec);
  return withoutNodes(spec, new Set(lost));
}

function withoutNodes(spec: ClusterSpec, names: ReadonlySet<string>): ClusterSpec {
  return {
    ...spec,
    hosts: spec.hosts.map((host) => ({
      ...host,
      nodes: host.nodes.filter(({ port }) => !names.has(`${host.name}:${port}`)),
    })),
  };
}
