import { separationProblem } from './placement.js';
import type { Reshaped } from './scaling.js';
import { nodesOfShape, type NumbersWanted, wholeShape } from './scaling-shape.js';
import { editedSpec, type SpecEdit, withoutLeft } from './spec-edit.js';
import type { ClusterSpec, HostSpec } from './spec.js';

/** A node listens for its peers this much above its port. */
const BUS_OFFSET = 10_000;

/** The next port above those of the host that is free at its address, for clients and for the bus. */
export function freePort({
  spec,
  host,
  taken,
}: {
  spec: ClusterSpec;
  host: HostSpec;
  taken: readonly number[];
}): number {
  const own = [...host.nodes.map(({ port }) => port), ...taken];
  const atAddress = spec.hosts
    .filter(({ address }) => address === host.address)
    .flatMap(({ nodes }) => nodes.map(({ port }) => port));
  const used = new Set([...own, ...atAddress]);
  let port = Math.max(...own) + 1;
  while (used.has(port) || used.has(port + BUS_OFFSET) || used.has(port - BUS_OFFSET)) port += 1;
  return port;
}

export interface ScaleTo {
  readonly spec: ClusterSpec;
  readonly masters: number;
  readonly replicas: number;
  /** The reason, where there are to be none. */
  readonly withoutReplicas?: string;
}

/** What is evened out first: hosts, which share the memory; or zones, where replicas would not find another one than their master's. */
const FIRST = ['host', 'zone'] as const;

/**
 * `scale to`: nodes on the hosts that there are, until the shape is reached. They are added where the fewest are, at the next free port, and taken away
 * where the most are, the highest port first, so that going there and back ends where it began.
 */
export function scaleTo({ spec, ...numbers }: ScaleTo): Reshaped {
  const shape = wholeShape(spec.shape, numbers);
  if ('problem' in shape) return shape;
  const wanted = nodesOfShape(shape);
  const tried = FIRST.map((first) => {
    const edits = chosen(spec, wanted, first);
    const after = editedSpec(spec, [...edits, { kind: 'shape', shape }]);
    return { edits, meeting: separationProblem(editedSpec(after, withoutLeft(after))) };
  });
  const found = tried.find(({ meeting }) => meeting === null);
  if (found === undefined) return crowded(numbers, tried[0]?.meeting?.reason ?? '');
  return { edits: [...found.edits, { kind: 'shape', shape }], attach: [] };
}

function crowded({ masters, replicas }: Omit<ScaleTo, 'spec'>, reason: string): NumbersWanted {
  return {
    problem: `The hosts cannot hold ${masters} masters with ${replicas} replicas each: ${reason}.`,
    next: 'Add hosts first (`redisforge scale add user@host,zone=ZONE`), or accept it by name in `shape.sharedZones`.',
  };
}

function chosen(spec: ClusterSpec, wanted: number, first: (typeof FIRST)[number]): SpecEdit[] {
  const edits: SpecEdit[] = [];
  let now = spec;
  for (;;) {
    const counts = countsOf(now, first);
    const there = counts.reduce((sum, { onHost }) => sum + onHost, 0);
    const edit = there < wanted ? addition(now, counts) : there > wanted ? removal(counts) : undefined;
    if (edit === undefined) return edits;
    edits.push(edit);
    now = editedSpec(now, [edit]);
  }
}

interface Count {
  readonly host: HostSpec;
  /** Nodes that stay. */
  readonly onHost: number;
  /** In the order in which they count. */
  readonly order: readonly [number, number];
}

function countsOf({ hosts }: ClusterSpec, first: (typeof FIRST)[number]): Count[] {
  const staying = ({ nodes }: HostSpec) => nodes.filter(({ leaving }) => leaving === undefined).length;
  return hosts.map((host) => {
    const onHost = staying(host);
    const inZone = hosts.filter(({ zone }) => zone === host.zone).reduce((sum, one) => sum + staying(one), 0);
    return { host, onHost, order: first === 'host' ? [onHost, inZone] : [inZone, onHost] };
  });
}

function addition(spec: ClusterSpec, counts: readonly Count[]): SpecEdit | undefined {
  const alive = counts.filter(({ host }) => !host.nodes.some(({ leaving }) => leaving !== undefined));
  const least = [...alive].sort((a, b) => compare(a, b))[0];
  if (least === undefined) return undefined;
  return { kind: 'addNode', host: least.host.name, port: freePort({ spec, host: least.host, taken: [] }) };
}

function removal(counts: readonly Count[]): SpecEdit | undefined {
  const most = [...counts]
    .filter(({ onHost }) => onHost > 0)
    .reverse()
    .sort((a, b) => compare(b, a))[0];
  const ports = most?.host.nodes.filter(({ leaving }) => leaving === undefined).map(({ port }) => port) ?? [];
  if (most === undefined) return undefined;
  return { kind: 'markNode', host: most.host.name, port: Math.max(...ports), leaving: 'drain' };
}

function compare(a: Count, b: Count): number {
  return a.order[0] - b.order[0] || a.order[1] - b.order[1];
}
