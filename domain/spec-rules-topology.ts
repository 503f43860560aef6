import { nodeName } from './nodes.js';
import { countProblem, separationProblem } from './placement.js';
import type { ClusterSpec } from './spec.js';
import { pathText, type RuleProblem, type SpecPath } from './spec-path.js';

/** A cluster node listens for its peers this much above its client port. */
const BUS_OFFSET = 10_000;

/** Shape, hosts, zones and ports. */
export function topologyProblems(spec: ClusterSpec): RuleProblem[] {
  return [
    ...shapeProblems(spec),
    ...placementProblems(spec),
    ...weightProblems(spec),
    ...hostProblems(spec),
    ...portProblems(spec),
  ];
}

function shapeProblems({ shape }: ClusterSpec): RuleProblem[] {
  const problems: RuleProblem[] = [];
  if (shape.masters < 3) {
    problems.push({
      path: ['shape', 'masters'],
      reason: `is ${shape.masters}: with fewer than 3 masters there is no majority left to elect a new one when one fails`,
      right: '3 or more',
    });
  }
  if (shape.replicasPerMaster === 0 && shape.withoutReplicas === undefined) {
    problems.push({
      path: ['shape', 'replicasPerMaster'],
      reason: 'is 0: every lost node takes its part of the data and of the service with it',
      right: '1 or more, or the reason why not in `shape.withoutReplicas`',
    });
  }
  if (shape.replicasPerMaster > 0 && shape.withoutReplicas !== undefined) {
    problems.push({
      path: ['shape', 'withoutReplicas'],
      reason: `is set, and there are ${shape.replicasPerMaster} replicas per master`,
      right: 'leave it out',
      with: [['shape', 'replicasPerMaster']],
    });
  }
  return [...problems, ...extraProblems(shape)];
}

function extraProblems({ replicasPerMaster, extraReplicas = 0 }: ClusterSpec['shape']): RuleProblem[] {
  if (extraReplicas === 0 || replicasPerMaster > 0) return [];
  return [
    {
      path: ['shape', 'extraReplicas'],
      reason: `is ${extraReplicas}, and the masters have no replicas: some shards would be safe and others not`,
      right: 'leave it out, or `replicasPerMaster: 1` or more',
      with: [['shape', 'replicasPerMaster']],
    },
  ];
}

/** A weight of a node that is not there would be followed by nobody, and seen by nobody. */
function weightProblems({ balance, hosts }: ClusterSpec): RuleProblem[] {
  const names = new Set(hosts.flatMap((host) => host.nodes.map(({ port }) => nodeName(host.name, port))));
  const weights = Object.entries(balance?.weights ?? {});
  const unknown = weights
    .filter(([node]) => !names.has(node))
    .map(([node]) => ({
      path: ['balance', 'weights', node],
      reason: 'is the weight of a node that no host declares',
      right: `one of the declared nodes, as host:port (${[...names].slice(0, 3).join(', ')} …)`,
    }));
  const none = names.size > 0 && [...names].every((node) => balance?.weights[node] === 0);
  if (!none) return unknown;
  const reason = 'are 0 for every node, so that no slot could be anywhere';
  return [...unknown, { path: ['balance', 'weights'], reason, right: 'a weight above 0 for at least one node' }];
}

function placementProblems(spec: ClusterSpec): RuleProblem[] {
  const looked: SpecPath[] = [
    ['shape'],
    ...spec.hosts.flatMap((_, host) => ['name', 'zone', 'nodes'].map((key) => ['hosts', host, key])),
  ];
  const count = countProblem(spec);
  if (count !== null) {
    const right = 'as many nodes that stay as masters x (1 + replicasPerMaster) + extraReplicas';
    return [{ path: ['shape'], reason: `does not fit the hosts: ${count}`, right, with: looked }];
  }
  const meeting = separationProblem(spec);
  if (meeting === null) return [];
  const right = {
    zone: 'nodes spread evenly over two or more zones, or the reason why not in `shape.sharedZones`',
    host: 'nodes spread evenly over more hosts',
  };
  return [
    { path: ['hosts'], reason: `cannot hold the shape: ${meeting.reason}`, right: right[meeting.level], with: looked },
  ];
}

function hostProblems({ hosts }: ClusterSpec): RuleProblem[] {
  const names = hosts.map(({ name }, i) => ({ path: ['hosts', i, 'name'], value: name }));
  const logins = hosts.map(({ ssh }, i) => ({
    path: ['hosts', i],
    value: [ssh.host, ssh.port, ssh.jump?.host ?? '', ssh.jump?.port ?? ''].join(' '),
    shown: `${ssh.host}:${ssh.port}`,
  }));
  return [
    ...repeated(names).map(({ again, first }) => ({
      path: again.path,
      reason: `is ${again.value}, as is that of ${pathText(first.path)}`,
      right: 'a name of its own for each host',
      with: [first.path],
    })),
    ...repeated(logins).map(({ again, first }) => ({
      path: again.path,
      reason: `is reached at ${again.shown}, as is ${pathText(first.path)}: one machine declared twice`,
      right: 'each host once, with all its nodes',
      with: [first.path],
    })),
  ];
}

function portProblems({ hosts }: ClusterSpec): RuleProblem[] {
  const nodes = hosts.flatMap(({ address, nodes: declared }, host) =>
    declared.map(({ port }, node) => ({
      path: ['hosts', host, 'nodes', node],
      address,
      port,
      value: `${address}:${port}`,
    })),
  );
  const twice = repeated(nodes).map(({ again, first }) => ({
    path: again.path,
    reason: `is ${again.value}, as is ${pathText(first.path)}`,
    right: 'an address and port that no other node has',
    with: [first.path],
  }));
  const busTaken = nodes.flatMap((node) => {
    const bus = node.port + BUS_OFFSET;
    const other = nodes.find(({ address, port }) => address === node.address && port === bus);
    return other === undefined
      ? []
      : [
          {
            path: node.path,
            reason: `needs port ${bus} for the cluster bus, which is the port of ${pathText(other.path)}`,
            right: 'ports that are not 10000 apart',
            with: [other.path],
          },
        ];
  });
  return [...twice, ...busTaken];
}

interface Placed {
  readonly path: SpecPath;
  readonly value: string;
}

/** Each value that was there before, with where it was first. */
function repeated<T extends Placed>(values: readonly T[]): { again: T; first: T }[] {
  const seen = new Map<string, T>();
  return values.flatMap((again) => {
    const first = seen.get(again.value);
    if (first !== undefined) return [{ again, first }];
    seen.set(again.value, again);
    return [];
  });
}
