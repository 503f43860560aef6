import type { PlannedReplica } from './plan.js';
import { nodeName } from './nodes.js';
import { freePort } from './scaling-nodes.js';
import { addedShape, type NumbersWanted, removedShape } from './scaling-shape.js';
import type { Leaving, NewHost, SpecEdit } from './spec-edit.js';
import type { ClusterSpec, HostSpec, NodeSpec } from './spec.js';

/** What a verb makes of the spec: the edits of its file, and whom new replicas are to follow; or why not, with what to do. */
export type Reshaped =
  | { readonly edits: readonly SpecEdit[]; readonly attach: readonly PlannedReplica[] }
  | NumbersWanted;

/** A node on a host of the spec (the next free port where none is named), or a new host with its nodes. */
export type Addition =
  | { readonly kind: 'node'; readonly host: string; readonly port: number | null }
  | { readonly kind: 'host'; readonly host: NewHost };

export interface AddRequest {
  readonly spec: ClusterSpec;
  readonly additions: readonly Addition[];
  readonly as: 'master' | 'replica' | null;
  /** A node of the shard that the new ones are to follow. */
  readonly of: string | null;
}

/** `scale add`. */
export function addNodes({ spec, additions, as, of }: AddRequest): Reshaped {
  const edits: SpecEdit[] = [];
  const added: string[] = [];
  for (const addition of additions) {
    if (addition.kind === 'host') {
      const { name, ports } = addition.host;
      if (spec.hosts.some((host) => host.name === name)) return declaredAlready(name);
      edits.push({ kind: 'addHost', host: addition.host });
      added.push(...ports.map((port) => nodeName(name, port)));
      continue;
    }
    const { host, port } = addition;
    const declared = spec.hosts.find(({ name }) => name === host);
    if (declared === undefined) return unknownHost(spec, host);
    const taken = edits.flatMap((edit) => (edit.kind === 'addNode' && edit.host === host ? [edit.port] : []));
    const found = portFor({ spec, host: declared, port, taken });
    if (typeof found !== 'number') return found;
    edits.push({ kind: 'addNode', host, port: found });
    added.push(nodeName(host, found));
  }
  if (of !== null) {
    const wrong = wrongShard({ spec, of, as });
    if (wrong !== null) return wrong;
  }
  const shape = addedShape({
    shape: spec.shape,
    count: added.length,
    as: of === null ? as : 'replica',
    attached: of !== null,
  });
  if ('problem' in shape) return shape;
  const attach = of === null ? [] : added.map((node) => ({ node, of }));
  return { edits: [...edits, { kind: 'shape', shape }], attach };
}

interface PortWish {
  readonly spec: ClusterSpec;
  readonly host: HostSpec;
  readonly port: number | null;
  /** By the same request. */
  readonly taken: readonly number[];
}

function portFor({ spec, host, port, taken }: PortWish): number | NumbersWanted {
  const { name, nodes } = host;
  if (nodes.some(({ leaving }) => leaving === 'lost')) {
    return {
      problem: `Host ${name} is given up as lost in the spec.`,
      next: 'Take its entries out first, or name another host.',
    };
  }
  if (port === null) return freePort({ spec, host, taken });
  const there = nodes.find((node) => node.port === port);
  if (there?.leaving !== undefined) {
    return {
      problem: `${name}:${port} is leaving the cluster.`,
      next: 'Name another port, or wait until it has left.',
    };
  }
  if (there === undefined && !taken.includes(port)) return port;
  const free = freePort({ spec, host, taken });
  return {
    problem: `${name}:${port} is ${there === undefined ? 'named twice' : 'in the spec already'}.`,
    next: `Name another port, such as ${name}:${free}. What the spec declares and is not there yet is made by apply.`,
  };
}

function wrongShard({ spec, of, as }: { spec: ClusterSpec; of: string; as: AddRequest['as'] }): NumbersWanted | null {
  if (as === 'master') return { problem: 'A master follows nobody.', next: 'Leave out --of, or say --as replica.' };
  if (nodesOf(spec).some(({ name, leaving }) => name === of && leaving === undefined)) return null;
  return {
    problem: `${of}, of --of, is no node that the spec declares and keeps.`,
    next: 'Name a node of the shard, as `status` shows it.',
  };
}

export interface RemoveRequest {
  readonly spec: ClusterSpec;
  /** Nodes (`host:port`) or hosts, by the names in the spec. */
  readonly names: readonly string[];
  readonly leaving: Leaving;
  readonly as: 'master' | 'replica' | null;
}

/** `scale remove`. The nodes stay in the spec until they have left: their hosts have to be reached for that. */
export function removeNodes({ spec, names, leaving, as }: RemoveRequest): Reshaped {
  const named: NodeOf[] = [];
  for (const name of names) {
    const found = nodesOf(spec).filter((node) => node.name === name || node.host === name);
    if (found.length === 0) return undeclared(spec, name);
    named.push(...found.filter(({ name: one }) => !named.some((node) => node.name === one)));
  }
  const marks = named
    .filter((node) => node.leaving !== leaving)
    .map(({ host, port }): SpecEdit => ({ kind: 'markNode', host, port, leaving }));
  const count = named.filter((node) => node.leaving === undefined).length;
  const shape = removedShape({ shape: spec.shape, count, as });
  if ('problem' in shape) return shape;
  return { edits: [...marks, ...(count === 0 ? [] : [{ kind: 'shape', shape } as const])], attach: [] };
}

export interface ReplaceRequest {
  readonly spec: ClusterSpec;
  /** Name of the host that goes. */
  readonly host: string;
  /** Its ports are those of the host that goes. */
  readonly by: Omit<NewHost, 'ports'>;
  readonly leaving: Leaving;
}

/** `replace`: as many nodes on another host, at the same ports; the shape stays. */
export function replaceHost({ spec, host, by, leaving }: ReplaceRequest): Reshaped {
  const old = spec.hosts.find(({ name }) => name === host);
  if (old === undefined) return unknownHost(spec, host);
  if (spec.hosts.some(({ name }) => name === by.name)) return declaredAlready(by.name);
  const staying = old.nodes.filter((node) => node.leaving === undefined);
  if (staying.length === 0) {
    return { problem: `All nodes of ${host} are leaving already.`, next: 'Run apply, which goes on with it.' };
  }
  const same = spec.hosts.find(
    ({ address, nodes }) =>
      address === by.address && nodes.some((one) => staying.some(({ port }) => port === one.port)),
  );
  if (same !== undefined) {
    return {
      problem: `${by.name} has the address of ${same.name} (${by.address}) and would have the same ports.`,
      next: 'Give the new machine an address of its own: Redis would take it for the one that is to go.',
    };
  }
  const ports = staying.map(({ port }) => port);
  return {
    edits: [
      ...staying.map(({ port }): SpecEdit => ({ kind: 'markNode', host, port, leaving })),
      { kind: 'addHost', host: { ...by, ports } },
    ],
    attach: [],
  };
}

interface NodeOf extends NodeSpec {
  readonly name: string;
  readonly host: string;
}

function nodesOf({ hosts }: ClusterSpec): NodeOf[] {
  return hosts.flatMap(({ name: host, nodes }) =>
    nodes.map((node) => ({ ...node, host, name: nodeName(host, node.port) })),
  );
}

function declaredAlready(host: string): NumbersWanted {
  return {
    problem: `The spec has a host ${host} already.`,
    next: `Give the new one another name with ,name=NAME; another node on ${host} is ${host}:PORT.`,
  };
}

function unknownHost({ hosts }: ClusterSpec, host: string): NumbersWanted {
  return {
    problem: `The spec has no host ${host} (it has ${hosts.map(({ name }) => name).join(', ')}).`,
    next: 'Name one of these, or write a new host as user@host[:port],zone=ZONE.',
  };
}

function undeclared(spec: ClusterSpec, name: string): NumbersWanted {
  const known = nodesOf(spec).map((node) => node.name);
  return {
    problem: `The spec declares no node or host ${name} (its nodes are ${known.join(', ')}).`,
    next: 'Name one of these. A member that the spec does not know is declared first, with its host, and then removed.',
  };
}
