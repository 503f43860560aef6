import type { ClusterSpec, HostSpec, NodeSpec } from './spec.js';

/** A declared node: one Redis process on a host. Its name, `host:port` with the host's *name*, is how people and plans speak of it. */
export interface DeclaredNode {
  readonly name: string;
  readonly host: string;
  readonly zone: string;
  readonly address: string;
  readonly port: number;
}

/** All nodes that the spec declares, in its order. */
export function declaredNodes(spec: ClusterSpec): DeclaredNode[] {
  return spec.hosts.flatMap((host) =>
    host.nodes.map(({ port }) => ({
      name: nodeName(host.name, port),
      host: host.name,
      zone: host.zone,
      address: host.address,
      port,
    })),
  );
}

/** The hosts that are asked and worked on: all but those of which every node is lost. */
export function hostsAtWork(spec: ClusterSpec): HostSpec[] {
  return spec.hosts.filter(({ nodes }) => nodes.some(({ leaving }) => leaving !== 'lost'));
}

/** The nodes that the spec wants in the cluster: all but those that are to leave it. */
export function stayingNodes(spec: ClusterSpec): DeclaredNode[] {
  const leaving = new Set(leavingNodes(spec).map(({ name }) => name));
  return declaredNodes(spec).filter(({ name }) => !leaving.has(name));
}

export interface LeavingNode extends DeclaredNode {
  readonly leaving: NonNullable<NodeSpec['leaving']>;
}

/** The nodes that are to leave the cluster, and how. */
export function leavingNodes(spec: ClusterSpec): LeavingNode[] {
  const how = new Map(
    spec.hosts.flatMap((host) => host.nodes.map(({ port, leaving }) => [nodeName(host.name, port), leaving] as const)),
  );
  return declaredNodes(spec).flatMap((node) => {
    const leaving = how.get(node.name);
    return leaving === undefined ? [] : [{ ...node, leaving }];
  });
}

/** Names of the nodes that will not come back, by the spec's word. */
export function lostNodes(spec: ClusterSpec): string[] {
  return leavingNodes(spec).flatMap(({ name, leaving }) => (leaving === 'lost' ? [name] : []));
}

/** Hosts that keep at least one node. */
export function stayingHosts(spec: ClusterSpec): HostSpec[] {
  return spec.hosts.filter(({ nodes }) => nodes.some(({ leaving }) => leaving === undefined));
}

/** Hosts that will not come back: nobody asks them any more. */
export function lostHosts(spec: ClusterSpec): HostSpec[] {
  return spec.hosts.filter(({ nodes }) => nodes.every(({ leaving }) => leaving === 'lost'));
}

export function nodeName(host: string, port: number): string {
  return `${host}:${port}`;
}

/** The spec as work on one host needs it: without the other hosts, which would make every call of a large cluster large. */
export function specForHost(spec: ClusterSpec, host: string): ClusterSpec {
  return { ...spec, hosts: spec.hosts.filter(({ name }) => name === host) };
}

/** Files and folders of one host; everything of ours is under its root. */
export function hostPaths(host: HostSpec) {
  return {
    root: host.root,
    helper: `${host.root}/bin/redisforge-host`,
    record: `${host.root}/record`,
    engines: `${host.root}/engines`,
  };
}

/** Files and folders of one node on its host; `%i` stands for the port in a systemd template. */
export function nodePaths(host: HostSpec, port: number | '%i') {
  const home = `${host.root}/nodes/${port}`;
  return {
    home,
    config: `${home}/redis.conf`,
    acl: `${home}/users.acl`,
    service: `${home}/service`,
    data: `${home}/data`,
    logs: `${home}/log`,
    log: `${home}/log/redis.log`,
    /** Link to the node's engine, where engines lie side by side. */
    engine: `${home}/current`,
  };
}

/** The template of all units of a cluster's nodes; the instance is the port. */
export function unitTemplate({ name }: Pick<ClusterSpec, 'name'>): string {
  return `redisforge-${name}@.service`;
}

export function unitName({ name }: Pick<ClusterSpec, 'name'>, port: number): string {
  return `redisforge-${name}@${port}.service`;
}

/** The port in a node's name. */
export function portOf(node: string): number {
  return Number(node.slice(node.lastIndexOf(':') + 1));
}
