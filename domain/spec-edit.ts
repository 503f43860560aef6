import type { BalanceSpec, ClusterSpec, HostSpec, NodeSpec, ShapeSpec } from './spec.js';

/** A change of the spec's file, small enough to be made in it by a program without touching anything else. */
export type SpecEdit =
  /** Keys that are absent are taken out. */
  | { readonly kind: 'shape'; readonly shape: ShapeSpec }
  | { readonly kind: 'addHost'; readonly host: NewHost }
  | { readonly kind: 'addNode'; readonly host: string; readonly port: number }
  | { readonly kind: 'markNode'; readonly host: string; readonly port: number; readonly leaving: Leaving }
  | { readonly kind: 'dropNode'; readonly host: string; readonly port: number }
  | { readonly kind: 'dropHost'; readonly host: string }
  | { readonly kind: 'balance'; readonly balance: BalanceSpec };

export type Leaving = NonNullable<NodeSpec['leaving']>;

/** A host as a person adds it to a spec. */
export interface NewHost {
  readonly name: string;
  readonly zone: string;
  readonly address: string;
  readonly ports: readonly number[];
  /** The folder that everything lives under; that of the spec where it is absent. */
  readonly root?: string;
  readonly login: {
    readonly user: string;
    readonly host: string;
    readonly port: number;
    /** `algorithm base64`; `null` where the spec's own known_hosts file is to know it. */
    readonly hostKey: string | null;
  };
}

/** The spec after its edits. What a new host's entry leaves to the defaults of the file is taken from the first host. */
export function editedSpec(spec: ClusterSpec, edits: readonly SpecEdit[]): ClusterSpec {
  return edits.reduce(edited, spec);
}

function edited(spec: ClusterSpec, edit: SpecEdit): ClusterSpec {
  switch (edit.kind) {
    case 'shape':
      return { ...spec, shape: edit.shape };
    case 'balance':
      return { ...spec, balance: edit.balance };
    case 'addHost':
      return { ...spec, hosts: [...spec.hosts, hostOf(spec, edit.host)] };
    case 'dropHost':
      return { ...spec, hosts: spec.hosts.filter(({ name }) => name !== edit.host) };
    case 'addNode':
      return withNodes(spec, edit.host, (nodes) => [...nodes, { port: edit.port }]);
    case 'dropNode':
      return withNodes(spec, edit.host, (nodes) => nodes.filter(({ port }) => port !== edit.port));
    case 'markNode': {
      const { port, leaving } = edit;
      return withNodes(spec, edit.host, (nodes) =>
        nodes.map((node) => (node.port === port ? { port, leaving } : node)),
      );
    }
    default:
      return edit satisfies never;
  }
}

function withNodes(
  spec: ClusterSpec,
  host: string,
  change: (nodes: readonly NodeSpec[]) => readonly NodeSpec[],
): ClusterSpec {
  return {
    ...spec,
    hosts: spec.hosts.map((one) => (one.name === host ? { ...one, nodes: change(one.nodes) } : one)),
  };
}

function hostOf({ hosts }: ClusterSpec, { name, zone, address, ports, root, login }: NewHost): HostSpec {
  const [first] = hosts;
  const { user, host, port, hostKey } = login;
  return {
    name,
    zone,
    address,
    root: root ?? first?.root ?? '/var/lib/redisforge',
    ssh: {
      privilege: first?.ssh.privilege ?? 'login',
      auth: first?.ssh.auth ?? { kind: 'agent' },
      ...(first?.ssh.jump === undefined ? {} : { jump: first.ssh.jump }),
      hostKeys:
        hostKey === null ? (first?.ssh.hostKeys ?? { kind: 'pinned', keys: [] }) : { kind: 'pinned', keys: [hostKey] },
      ...{ user, host, port },
    },
    nodes: ports.map((one) => ({ port: one })),
  };
}

/** What takes nodes that have left out of the spec, and the hosts that have none any more. */
export function withoutLeft({ hosts }: ClusterSpec): SpecEdit[] {
  return hosts.flatMap(({ name: host, nodes }): SpecEdit[] => {
    const left = nodes.filter(({ leaving }) => leaving !== undefined);
    if (left.length === nodes.length) return [{ kind: 'dropHost', host }];
    return left.map(({ port }) => ({ kind: 'dropNode', host, port }));
  });
}
