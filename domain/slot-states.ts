import { type AnsweringNode, type SilentNode, type ViewEntry } from './observation.js';
import { eachSlot, viewedOwners } from './ownership.js';
import { endpoint, hasFailed, largestGroup } from './picture.js';
import { SLOT_COUNT } from './slots.js';

/** What half states are decided from; an observation's nodes have it. */
export type SlotNode = Pick<
  AnsweringNode,
  'name' | 'address' | 'port' | 'declared' | 'answered' | 'id' | 'view' | 'slotTasks'
>;

/** By node name, by slot: how many keys a master has of the slots that it was asked about. */
export type KeyCounts = Readonly<Record<string, Readonly<Record<number, number>>>>;

/** All that decides about half states of slots. */
export interface SlotStates {
  readonly nodes: readonly (SlotNode | Pick<SilentNode, 'name' | 'address' | 'port' | 'declared' | 'answered'>)[];
  readonly keys: KeyCounts;
  /** By node name: keys of slots that a master does not own, where it does not tell which. */
  readonly hidden: Readonly<Record<string, number>>;
  /** By a master's name, IDs of the fallen masters that would take its slots when they come back; none where nothing is said. */
  readonly fallen: Readonly<Record<string, readonly string[]>>;
  /** Names of nodes that will not come back: nobody waits for what they know. */
  readonly lost: readonly string[];
  /** Replicas that a master is meant to have; `null` where nobody says. */
  readonly replicasPerMaster: number | null;
}

/** A member as it is seen from its slots. */
export interface Member extends SlotNode {
  readonly masterId: string | null;
  readonly configEpoch: number;
  /** Who owns which slot as it sees it. */
  readonly owners: readonly (string | undefined)[];
  /** By slot, the ID on the other side. Only of masters: the flags of a replica (Valkey) follow its master's. */
  readonly migrating: ReadonlyMap<number, string>;
  readonly importing: ReadonlyMap<number, string>;
  /** Slots that a replica has open. */
  readonly copied: ReadonlySet<number>;
}

/** The members of the cluster, slot by slot. */
export class SlotTable {
  readonly members: readonly Member[];
  readonly masters: readonly Member[];
  /** Who claims which slot, by ID. */
  readonly claims: readonly (readonly string[])[];
  /** Found once for all slots: where no slot has an owner each of them asks. */
  #below: readonly (string | undefined)[] | undefined;
  readonly #successors = new Map<string, Member | undefined>();

  constructor(readonly states: SlotStates) {
    this.members = largestGroup(states.nodes.filter((node) => node.answered)).flatMap((node) => memberOf(node));
    this.masters = this.members.filter(({ masterId }) => masterId === null);
    this.claims = claimsOf(this.masters);
  }

  /** Who owns the nearest slot below that anybody claims, going round; `undefined` where nobody claims any. */
  ownerBelow(slot: number): string | undefined {
    this.#below ??= ownersBelow(this.claims);
    return this.#below[slot];
  }

  claimants(slot: number): Member[] {
    return (this.claims[slot] ?? []).flatMap((id) => this.member(id) ?? []);
  }

  /** Keys of the slot at this node; 0 where it was not asked. */
  keysOf({ name }: Member, slot: number): number {
    return this.states.keys[name]?.[slot] ?? 0;
  }

  /** Masters that have keys of the slot. */
  holders(slot: number): Member[] {
    return this.masters.filter((node) => this.keysOf(node, slot) > 0);
  }

  /** Masters that may have keys of the slot, and would not say so: they do not import it. */
  secretive(slot: number): Member[] {
    return this.masters.filter((node) => {
      const tells = node.importing.has(slot) || this.claims[slot]?.includes(node.id) === true;
      return !tells && (this.states.hidden[node.name] ?? 0) > 0;
    });
  }

  /** Masters without a flag for the slot, of which a replica has one: whoever is told again tells its replicas. */
  forgottenBy(slot: number): Member[] {
    const followers = this.members.filter(({ copied }) => copied.has(slot));
    const masters = new Set(followers.flatMap(({ masterId }) => this.member(masterId ?? undefined) ?? []));
    return [...masters].filter(({ migrating, importing }) => !migrating.has(slot) && !importing.has(slot));
  }

  member(id: string | undefined): Member | undefined {
    return this.members.find((node) => node.id === id);
  }

  /** The master that stands for this ID now: itself, or that of the shard which it is a replica in; `undefined` where nobody who answers is known to. */
  heir(id: string, hops = this.members.length): Member | undefined {
    const node = this.member(id);
    const masterId = node === undefined ? this.hearsay(id)?.masterId : node.masterId;
    if (node !== undefined && masterId === null) return node;
    return hops === 0 || masterId === null || masterId === undefined ? undefined : this.heir(masterId, hops - 1);
  }

  /** The newest word about an ID. */
  hearsay(id: string): ViewEntry | undefined {
    return this.members
      .flatMap(({ view }) => view.filter((entry) => entry.id === id))
      .sort((a, b) => b.configEpoch - a.configEpoch)[0];
  }

  nameOf(id: string): string {
    const entry = this.hearsay(id);
    if (entry === undefined) return `an unknown node ${id.slice(0, 8)}`;
    return this.member(id)?.name ?? this.#silentAt(entry)?.name ?? endpoint(entry);
  }

  /** Whether a node that does not answer may still be the one place where moved keys are. */
  mayHoldKeys(id: string): boolean {
    const entry = this.hearsay(id);
    if (entry === undefined || this.isGivenUp(id)) return false;
    return entry.slots.length > 0 || !this.isAbandoned(id);
  }

  /** A dead master whom nobody follows any more, where masters have replicas: one of them has taken over, or there was none left. */
  isAbandoned(id: string): boolean {
    const entry = this.hearsay(id);
    if (entry === undefined || (this.states.replicasPerMaster ?? 0) === 0) return false;
    return entry.masterId === null && hasFailed(entry) && !this.#isFollowed(id);
  }

  /**
   * Who took over from a dead master without having heard of slots that had just come to it: it has keys of some, which came as the replica's that it was. What it has no key of had
   * none, or lost them with the dead one as in any failover.
   */
  successor(id: string): Member | undefined {
    if (!this.#successors.has(id)) this.#successors.set(id, this.#findSuccessor(id));
    return this.#successors.get(id);
  }

  #findSuccessor(id: string): Member | undefined {
    if (!this.isAbandoned(id)) return undefined;
    for (const slot of eachSlot(this.hearsay(id)?.slots ?? [])) {
      const [holder] = this.claims[slot]?.length === 0 ? this.holders(slot) : [];
      if (holder !== undefined) return holder;
    }
    return undefined;
  }

  /** Who fell, is to come back, and would then take all slots of this master if one that it imported had been given away meanwhile. */
  claimantBefore({ name }: Member): string | undefined {
    const silent = (this.states.fallen[name] ?? []).flatMap((id) => {
      const entry = this.hearsay(id);
      const node = entry === undefined || this.member(id) !== undefined ? undefined : this.#silentAt(entry);
      return node?.declared === true && !this.states.lost.includes(node.name) ? [node.name] : [];
    });
    return silent[0];
  }

  /** Somebody has said that it will not come back, and no replica can take over from it. */
  isGivenUp(id: string): boolean {
    const entry = this.hearsay(id);
    const silent = entry === undefined ? undefined : this.#silentAt(entry);
    return silent !== undefined && this.states.lost.includes(silent.name) && !this.#isFollowed(id);
  }

  #isFollowed(id: string): boolean {
    return this.members.some(({ view }) => view.some(({ masterId }) => masterId === id));
  }

  #silentAt(entry: ViewEntry) {
    return this.states.nodes.find((node) => !node.answered && endpoint(node) === endpoint(entry));
  }
}

function memberOf(node: SlotNode): Member[] {
  const self = node.view.find(({ id }) => id === node.id);
  if (self === undefined) return [];
  const { masterId, configEpoch } = self;
  const none = { migrating: [], importing: [] };
  const [flags, copied] = masterId === null ? [self, none] : [none, self];
  return [
    {
      ...node,
      ...{ masterId, configEpoch },
      owners: viewedOwners(node.view),
      migrating: new Map(flags.migrating.map(({ slot, peer }) => [slot, peer])),
      importing: new Map(flags.importing.map(({ slot, peer }) => [slot, peer])),
      copied: new Set([...copied.migrating, ...copied.importing].map(({ slot }) => slot)),
    },
  ];
}

function ownersBelow(claims: readonly (readonly string[])[]): (string | undefined)[] {
  const below = new Array<string | undefined>(claims.length).fill(undefined);
  let last: string | undefined;
  // The second time round the lowest slots learn of the highest ones.
  for (let step = 0; step < 2 * claims.length; step += 1) {
    const slot = step % claims.length;
    below[slot] = last;
    last = claims[slot]?.[0] ?? last;
  }
  return below;
}

const NOBODY: readonly string[] = [];

/** As `ownClaims`, made for being asked again and again: slots of one owner share one list. */
function claimsOf(masters: readonly Member[]): (readonly string[])[] {
  const claims = new Array<readonly string[]>(SLOT_COUNT).fill(NOBODY);
  for (const { id, owners } of masters) {
    const own = [id];
    for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
      if (owners[slot] === id) claims[slot] = claims[slot] === NOBODY ? own : [...(claims[slot] ?? []), id];
    }
  }
  return claims;
}
