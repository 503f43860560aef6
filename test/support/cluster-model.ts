import type { ApplyWorld } from '../../domain/apply-world.js';
import { declaredNodes, type DeclaredNode } from '../../domain/nodes.js';
import type { AnsweringNode, Observation, ObservedNode, ViewEntry } from '../../domain/observation.js';
import { eachSlot } from '../../domain/ownership.js';
import type { Placement } from '../../domain/placement.js';
import type { Step } from '../../domain/plan.js';
import type { NamedNode } from '../../domain/reshape-steps.js';
import { compactRanges, slotsIn, type SlotRange } from '../../domain/slots.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { HostSurvey } from '../../domain/survey.js';
import { SETTINGS } from './observations.js';
import { FILES, HELPER, surveyOf } from './survey.js';

/** A node of a made-up cluster. */
export interface ModelNode {
  readonly node: DeclaredNode;
  id: string;
  /** Whether the cluster knows it. */
  member: boolean;
  running: boolean;
  onHost: boolean;
  master: string | null;
  slots: SlotRange[];
}

/** A made-up cluster: what planners are told of it, and what becomes of it when the steps of a plan are taken, each of which has to be allowed. */
export class ModelCluster {
  readonly nodes: ModelNode[];
  readonly released = new Set<string>();
  pinned = false;
  #ids = 0;

  constructor(spec: ClusterSpec, placement: Placement) {
    this.nodes = declaredNodes(spec).map((node) => ({
      ...{ node, id: this.#nextId(), member: true, running: true, onHost: true },
      master: placement.replicas.find((replica) => replica.node === node.name)?.of ?? null,
      slots: [...(placement.masters.find((master) => master.node === node.name)?.slots ?? [])],
    }));
  }

  #nextId(): string {
    this.#ids += 1;
    return this.#ids.toString(16).padStart(40, '0');
  }

  get(name: string): ModelNode {
    const found = this.nodes.find(({ node }) => node.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  replicasOf(name: string): ModelNode[] {
    return this.nodes.filter(({ member, master }) => member && master === name);
  }

  owners(): ModelNode[] {
    return this.nodes.filter(({ slots }) => slots.length > 0);
  }

  /** The master of the shard that a node is in. */
  shard(name: string): ModelNode {
    const node = this.get(name);
    return node.master === null ? node : this.get(node.master);
  }

  /** Nodes that the spec declares and the model does not know are bare. */
  declare(spec: ClusterSpec): void {
    for (const node of declaredNodes(spec)) {
      if (this.nodes.some((one) => one.node.name === node.name)) continue;
      const bare = { member: false, running: false, onHost: false, master: null, slots: [] };
      this.nodes.push({ node, id: this.#nextId(), ...bare });
    }
  }

  /** The replica is master now, as after a failover. */
  failOver(name: string): void {
    const was = this.shard(name);
    const heir = this.get(name);
    for (const sibling of this.replicasOf(was.node.name)) sibling.master = name;
    heir.master = null;
    heir.slots = was.slots;
    was.slots = [];
    was.master = name;
  }

  world(spec: ClusterSpec, change: Partial<ApplyWorld> = {}): ApplyWorld {
    const lost = new Set(
      spec.hosts.filter(({ nodes }) => nodes.every(({ leaving }) => leaving === 'lost')).map(({ name }) => name),
    );
    return {
      spec,
      helperSha256: HELPER,
      surveys: spec.hosts.filter(({ name }) => !lost.has(name)).map(({ name }) => this.#survey(spec, name)),
      unsurveyed: [],
      observation: this.observation(spec),
      wantedUnits: {},
      wantedFiles: Object.fromEntries(declaredNodes(spec).map(({ name }) => [name, FILES])),
      configAsRunning: {},
      settings: SETTINGS,
      otherSecrets: {},
      ...change,
    };
  }

  observation(spec: ClusterSpec): Observation {
    const declared = new Set(declaredNodes(spec).map(({ name }) => name));
    const nodes = this.nodes.filter(({ node }) => declared.has(node.name));
    return { asOf: '2026-01-02T03:04:05.000Z', nodes: nodes.map((one) => this.#observed(one)) };
  }

  #observed(one: ModelNode): ObservedNode {
    const asked = { ...one.node, declared: true };
    if (!one.running) return { ...asked, answered: false, silence: 'connection-refused', detail: 'made up' };
    const master = one.master === null ? null : this.get(one.master);
    const replication: AnsweringNode['replication'] =
      master === null
        ? { role: 'master', offset: 100, replicas: [] }
        : {
            ...{ role: 'replica', masterAddress: master.node.address, masterPort: master.node.port, link: 'up' },
            ...{ syncing: false, offset: 100, lastIoSecondsAgo: 1 },
          };
    return {
      ...asked,
      answered: true,
      ...{ id: one.id, engine: 'redis', version: '7.0.15', role: replication.role },
      ...{ clusterState: one.member ? 'ok' : 'fail', currentEpoch: 9, slotTasks: 0 },
      view: this.nodes
        .filter((other) => (one.member ? other.member : other === one))
        .map((other) => this.#entry(other, one)),
      ...{ keys: slotsIn(one.slots), usedMemoryBytes: 500, maxmemoryBytes: 1000, uptimeSeconds: 60 },
      ...{ connectedClients: 5, replication, settings: SETTINGS, openToAnyone: false },
    };
  }

  #entry(one: ModelNode, viewer: ModelNode): ViewEntry {
    const failed = one.running ? [] : ['fail'];
    return {
      ...{ id: one.id, address: one.node.address, port: one.node.port, busPort: one.node.port + 10_000 },
      flags: [...(one === viewer ? ['myself'] : []), one.master === null ? 'master' : 'slave', ...failed],
      masterId: one.master === null ? null : this.get(one.master).id,
      configEpoch: 1 + this.nodes.indexOf(one),
      link: one.running ? 'connected' : 'disconnected',
      slots: one.slots,
      ...{ migrating: [], importing: [] },
    };
  }

  #survey(spec: ClusterSpec, host: string): HostSurvey {
    const here = this.nodes.filter(({ node, onHost }) => node.host === host && onHost);
    const ours = here.length > 0 && !this.released.has(host);
    const { name, uid } = spec;
    const identities = Object.fromEntries(here.filter(({ member }) => member).map(({ node, id }) => [node.port, id]));
    const record = ours ? { helperSha256: HELPER, cluster: { name, uid }, generation: 1, identities } : {};
    const [template] = surveyOf(host).nodes;
    if (template === undefined) throw new Error('a survey has a node');
    const ports = declaredNodes(spec).flatMap((node) => (node.host === host ? [node.port] : []));
    return {
      ...surveyOf(host, record),
      nodes: ports.map((port) => {
        const one = here.find(({ node }) => node.port === port);
        if (one === undefined) return { ...template, port };
        const service = one.running ? ({ state: 'running', pid: 7 } as const) : ({ state: 'stopped' } as const);
        return { ...template, port, files: FILES, service, data: ['nodes.conf'] };
      }),
    };
  }

  /** Takes a step. @throws Error where it could not be taken on a real cluster, or not without harm */
  take(step: Step): void {
    switch (step.kind) {
      case 'startNode':
        Object.assign(this.get(step.node), { running: true, onHost: true });
        return;
      case 'pinReplicas':
        this.pinned = true;
        return;
      case 'unpinReplicas':
        this.pinned = false;
        return;
      case 'joinNodes':
        for (const name of step.masters) this.#join(name, null);
        for (const { node, of } of step.replicas) this.#join(node, this.shard(of).node.name);
        return;
      case 'attachReplica':
        return this.#attach(step.node, step.of);
      case 'switchMaster': {
        const { slots } = this.get(step.was);
        if (this.get(step.node).master !== step.was || slots.length === 0) {
          throw new Error(`${step.node} cannot take over from ${step.was}`);
        }
        return this.failOver(step.node);
      }
      case 'moveSlots':
        for (const move of step.moves) this.#move(move);
        return;
      case 'forgetNodes':
        return this.#forget(step.nodes);
      case 'stopNode':
        if (this.get(step.node).member) throw new Error(`${step.node} is a member and would be stopped`);
        this.get(step.node).running = false;
        return;
      case 'removeNode':
        if (this.get(step.node).running) throw new Error(`${step.node} runs and would be removed`);
        this.get(step.node).onHost = false;
        return;
      case 'releaseHost':
        if (this.nodes.some(({ node, onHost }) => node.host === step.host && onHost)) {
          throw new Error(`${step.host} has nodes still`);
        }
        this.released.add(step.host);
        return;
      case 'prepareHost':
      case 'applyProfile':
      case 'installEngine':
      case 'placeNode':
      case 'changeSettings':
      case 'awaitForgotten':
      case 'smokeTest':
        return;
      case 'formCluster':
      case 'repairSlots':
        throw new Error(`${step.kind} is not made up here`);
      default:
        return step satisfies never;
    }
  }

  #join(name: string, master: string | null): void {
    const node = this.get(name);
    if (node.member || !node.running) throw new Error(`${name} cannot join`);
    node.member = true;
    node.master = master;
  }

  #attach(name: string, of: string): void {
    const node = this.get(name);
    const master = this.shard(of);
    const isBusy = node.slots.length > 0 || this.replicasOf(name).length > 0;
    if (!node.member || !node.running || isBusy || master === node) throw new Error(`${name} cannot follow ${of}`);
    node.master = master.node.name;
  }

  #move({ ranges, from, to }: { ranges: readonly SlotRange[]; from: string; to: string }): void {
    const [giver, taker] = [this.shard(from), this.shard(to)];
    const owned = new Set(eachSlot(giver.slots));
    const moved = [...eachSlot(ranges)];
    if (giver === taker || !taker.member || moved.some((slot) => !owned.delete(slot))) {
      throw new Error(`slots cannot go from ${from} to ${to}`);
    }
    const ofSlots = (slots: Iterable<number>) => compactRanges([...slots].map((slot) => [slot, slot] as const));
    giver.slots = ofSlots(owned);
    taker.slots = compactRanges([...taker.slots, ...ofSlots(moved)]);
  }

  #forget(named: readonly NamedNode[]): void {
    const nodes = named.map(({ name }) => this.get(name));
    for (const [i, node] of nodes.entries()) {
      const { name, nodeId } = named[i] ?? { name: '', nodeId: '' };
      if (node.id !== nodeId || !node.member) throw new Error(`nobody knows ${name} as ${nodeId}`);
      const followed = this.replicasOf(name).some((replica) => !nodes.includes(replica));
      if (node.slots.length > 0 || followed) throw new Error(`${name} is needed still`);
    }
    for (const node of nodes) Object.assign(node, { member: false, master: null, id: this.#nextId() });
  }
}
