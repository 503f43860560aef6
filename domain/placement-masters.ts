import type { DeclaredNode } from './nodes.js';
import { type Group, groupsOf } from './placement-room.js';
import type { ShapeSpec } from './spec.js';

interface HostRoom {
  readonly host: Group;
  readonly zone: Group;
  /** How many of its nodes are masters already, and which others may become one, the preferred first. */
  readonly fixed: number;
  readonly candidates: readonly DeclaredNode[];
}

interface Limits {
  /** Masters that each zone takes beyond its room; above 0 only where zones have to be shared. */
  readonly excess: number;
  readonly perZone: number;
  readonly perHost: number;
}

export interface MasterChoice {
  readonly nodes: readonly DeclaredNode[];
  readonly shape: ShapeSpec;
  /** Those that are masters in any case. */
  readonly fixed: readonly DeclaredNode[];
  /** Those that may become masters, the preferred first. */
  readonly candidates: readonly DeclaredNode[];
}

/**
 * Chooses the masters: first so that all replicas find a place outside their master's zone, then so that the fullest zone has as few as can be, then
 * the fullest host. Needs a shape for which `roomProblem` finds no host too crowded.
 */
export function placeMasters(nodes: readonly DeclaredNode[], shape: ShapeSpec): DeclaredNode[] {
  return addMasters({ nodes, shape, fixed: [], candidates: nodes });
}

/** The masters that are added to the fixed ones, by the same rules; fewer than the shape asks for where there are not enough candidates or places. */
export function addMasters({ nodes, shape, fixed, candidates }: MasterChoice): DeclaredNode[] {
  const zones = groupsOf(nodes, 'zone', shape);
  const hosts = groupsOf(nodes, 'host', shape).flatMap((host) => {
    const zone = zones.find(({ name }) => name === host.nodes[0]?.zone);
    const here = (some: readonly DeclaredNode[]) => some.filter((node) => node.host === host.name);
    return zone === undefined ? [] : [{ host, zone, fixed: here(fixed).length, candidates: here(candidates) }];
  });
  const everything = nodes.length;
  const fits = (limits: Limits) => capacity(zones, hosts, limits) >= shape.masters;
  const smallest = (limitsAt: (value: number) => Limits) => {
    let value = 0;
    while (value < everything && !fits(limitsAt(value))) value += 1;
    return value;
  };
  const excess = smallest((value) => ({ excess: value, perZone: everything, perHost: everything }));
  const perZone = smallest((value) => ({ excess, perZone: value, perHost: everything }));
  const perHost = smallest((value) => ({ excess, perZone, perHost: value }));
  return fill({ hosts, limits: { excess, perZone, perHost }, fixed, masters: shape.masters });
}

function capacity(zones: readonly Group[], hosts: readonly HostRoom[], limits: Limits): number {
  return zones.reduce((sum, zone) => {
    const inZone = hosts.filter((entry) => entry.zone === zone);
    const fixed = inZone.reduce((count, host) => count + host.fixed, 0);
    const inHosts = inZone.reduce((room, host) => room + hostLimit(host, limits), 0);
    return sum + Math.max(fixed, Math.min(zoneLimit(zone, limits), inHosts));
  }, 0);
}

function zoneLimit(zone: Group, { excess, perZone }: Limits): number {
  return Math.min(perZone, Math.max(0, zone.room) + excess);
}

function hostLimit({ host, fixed, candidates }: HostRoom, { perHost }: Limits): number {
  return Math.max(fixed, Math.min(perHost, host.room, fixed + candidates.length));
}

/** Gives one master after the other to the zone, and in it the host, that has the fewest. Limits within limits: any order reaches the capacity. */
function fill({
  hosts,
  limits,
  fixed,
  masters,
}: {
  hosts: readonly HostRoom[];
  limits: Limits;
  fixed: readonly DeclaredNode[];
  masters: number;
}): DeclaredNode[] {
  const chosen: DeclaredNode[] = [];
  const all = () => [...fixed, ...chosen];
  const inZone = (zone: Group) => all().filter((node) => node.zone === zone.name).length;
  const onHost = (host: Group) => all().filter((node) => node.host === host.name).length;
  while (all().length < masters) {
    const next = hosts
      .filter(({ zone }) => inZone(zone) < zoneLimit(zone, limits))
      .filter((entry) => onHost(entry.host) < hostLimit(entry, limits))
      .sort((a, b) => inZone(a.zone) - inZone(b.zone) || onHost(a.host) - onHost(b.host))[0];
    const node = next?.candidates.find((candidate) => !chosen.includes(candidate));
    if (node === undefined) break;
    chosen.push(node);
  }
  return chosen;
}
