import type { DeclaredNode } from './nodes.js';
import { type Group, groupsOf } from './placement-room.js';
import type { ShapeSpec } from './spec.js';

interface HostRoom {
  readonly host: Group;
  readonly zone: Group;
}

interface Limits {
  /** Masters that each zone takes beyond its room; above 0 only where zones have to be shared. */
  readonly excess: number;
  readonly perZone: number;
  readonly perHost: number;
}

/**
 * Chooses the masters: first so that all replicas find a place outside their master's zone, then so that the fullest zone has as few as can be, then
 * the fullest host. Needs a shape for which `roomProblem` finds no host too crowded.
 */
export function placeMasters(nodes: readonly DeclaredNode[], shape: ShapeSpec): DeclaredNode[] {
  const zones = groupsOf(nodes, 'zone', shape);
  const hosts = groupsOf(nodes, 'host', shape).flatMap((host) => {
    const zone = zones.find(({ name }) => name === host.nodes[0]?.zone);
    return zone === undefined ? [] : [{ host, zone }];
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
  return fill({ hosts, limits: { excess, perZone, perHost }, masters: shape.masters });
}

function capacity(zones: readonly Group[], hosts: readonly HostRoom[], limits: Limits): number {
  return zones.reduce((sum, zone) => {
    const inHosts = hosts
      .filter((entry) => entry.zone === zone)
      .reduce((room, { host }) => room + Math.min(limits.perHost, host.room), 0);
    return sum + Math.min(zoneLimit(zone, limits), inHosts);
  }, 0);
}

function zoneLimit(zone: Group, { excess, perZone }: Limits): number {
  return Math.min(perZone, Math.max(0, zone.room) + excess);
}

/** Gives one master after the other to the zone, and in it the host, that has the fewest. Limits within limits: any order reaches the capacity. */
function fill({
  hosts,
  limits,
  masters,
}: {
  hosts: readonly HostRoom[];
  limits: Limits;
  masters: number;
}): DeclaredNode[] {
  const chosen: DeclaredNode[] = [];
  const inZone = (zone: Group) => chosen.filter((node) => node.zone === zone.name).length;
  const onHost = (host: Group) => chosen.filter((node) => node.host === host.name).length;
  while (chosen.length < masters) {
    const next = hosts
      .filter(({ zone }) => inZone(zone) < zoneLimit(zone, limits))
      .filter(({ host }) => onHost(host) < Math.min(limits.perHost, host.room))
      .sort((a, b) => inZone(a.zone) - inZone(b.zone) || onHost(a.host) - onHost(b.host))[0];
    const node = next?.host.nodes[onHost(next.host)];
    if (node === undefined) break;
    chosen.push(node);
  }
  return chosen;
}
