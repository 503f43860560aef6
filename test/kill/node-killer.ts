import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { ViewEntry } from '../../domain/observation.js';
import { parseClusterNodes } from '../../domain/parse-nodes.js';
import type { SlotMove } from '../../domain/slot-moves.js';
import { SLOT_COUNT, slotsIn } from '../../domain/slots.js';
import { hostProcesses, HOST_MARKER, signalAll } from '../../lab/host-processes.js';
import type { KilledMaster } from '../support/ledger.js';
import type { ReshapeStage } from '../support/reshape-stage.js';
import { until } from '../support/until.js';
import type { NodeKiller } from './arena.js';
import type { NodeVictim } from './kills.js';

/** How a killed node comes back: at once, before anybody takes over, or when its replica has taken over. */
export type Return = 'at once' | 'failed over';

const ANSWER_MS = 2000;
/** Shorter than the node timeout of the stage, so that nobody takes over. */
const AT_ONCE_MS = 300;
const FAILOVER_MS = 30_000;
const START_MS = 20_000;
/** A killed replica that stays in the cluster comes back after this: masters have noticed by then. */
const REPLICA_MS = 3000;

export interface KillerRun {
  /** What the run plans to move; tells sources and targets. */
  readonly moves: readonly SlotMove[];
  readonly returns: Return;
  /** Hosts whose nodes the run takes out of the cluster. */
  readonly leaving: readonly string[];
}

/** A member that answers, and what it says of the cluster. */
interface Member {
  readonly host: string;
  readonly port: number;
  readonly address: string;
  readonly self: ViewEntry;
  readonly view: readonly ViewEntry[];
}

/** Kills nodes of a stage in the middle of a move, and starts them again by the host helper, as a person or a service manager would. */
export class StageNodeKiller implements NodeKiller {
  #moves: readonly SlotMove[] = [];
  #returns: Return = 'at once';
  #leaving: readonly string[] = [];
  #killed: KilledMaster[] = [];

  constructor(private readonly stage: ReshapeStage) {}

  /** Another run begins, in which nobody has been killed. */
  begin({ moves, returns, leaving }: KillerRun): void {
    this.#moves = moves;
    this.#returns = returns;
    this.#leaving = leaving;
    this.#killed = [];
  }

  /** The masters that were killed in this run. */
  get killed(): readonly KilledMaster[] {
    return this.#killed;
  }

  async kill(victim: NodeVictim): Promise<{ back: Promise<void> } | null> {
    const members = await this.members();
    const chosen = this.#choose(victim, members);
    // A second dead node of a shard would be the end of its data, which no operation can help.
    if (chosen === undefined || this.#killed.length > 0) return null;
    const at = Date.now();
    await this.killNode(chosen.host, chosen.port);
    const { self, address, port } = chosen;
    this.#note(chosen, victim, { at, goneAt: Date.now() });
    const back = async () => {
      // A service manager starts nobody who was told to stop in the meantime; this one does not know, so it is quicker than that.
      const leaves = this.#leaving.includes(chosen.host);
      if (self.masterId !== null) await sleep(leaves ? AT_ONCE_MS : REPLICA_MS);
      else if (this.#returns === 'at once') await sleep(AT_ONCE_MS);
      else await until(`somebody takes over from ${address}:${port}`, () => this.#tookOver(self), FAILOVER_MS);
      await this.startNode(chosen.host, chosen.port);
    };
    return { back: back() };
  }

  /** SIGKILL to the server's process; returns when it is gone. */
  async killNode(host: string, port: number): Promise<void> {
    const { root } = this.#hostOf(host);
    const [pid] = (await readFile(join(root, `nodes/${port}/run/pid`), 'utf8')).split(' ');
    signalAll([{ pid: Number(pid), stopped: false }], 'SIGKILL');
    await until('the killed node is gone', async () =>
      (await hostProcesses(root)).every((process) => process.pid !== Number(pid)),
    );
  }

  async startNode(name: string, port: number): Promise<void> {
    const host = this.#hostOf(name);
    const { nofile } = this.stage.spec.redis;
    const words = ['node', 'start', `${port}`, host.address, `${nofile}`, `${START_MS}`];
    const argv = [join(host.root, 'bin/redisforge-host'), '--by-hand', 'tester', '--force', ...words];
    await until(
      `${name}:${port} starts again`,
      async () => {
        await this.stage.onHost(host, ['env', `${HOST_MARKER}=${host.home}`, ...argv]);
        return true;
      },
      60_000,
    );
  }

  /** All that answer, by what they say of themselves. */
  async members(): Promise<Member[]> {
    const password = await this.stage.secret('admin');
    const places = this.stage.lab.hosts.flatMap(({ name, address, nodePorts }) =>
      nodePorts.map((port) => ({ host: name, address, port })),
    );
    const asked = await Promise.all(
      places.map(async (place): Promise<Member | null> => {
        const view = await viewOf({ ...place, password });
        const self = view?.find(({ flags }) => flags.includes('myself'));
        return view === null || self === undefined || view.length < 2 ? null : { ...place, self, view };
      }),
    );
    return asked.filter((member) => member !== null);
  }

  #hostOf(name: string) {
    const host = this.stage.lab.hosts.find((one) => one.name === name);
    if (host === undefined) throw new Error(`the lab has no host ${name}`);
    return host;
  }

  #choose(victim: NodeVictim, members: readonly Member[]): Member | undefined {
    const masterOf = (name: string): Member | undefined => {
      const member = members.find(({ host, port }) => `${host}:${port}` === name);
      const id = member?.self.masterId ?? member?.self.id;
      return members.find(({ self }) => self.id === id);
    };
    const replicasOf = (master: Member | undefined) =>
      members.filter(({ self }) => master !== undefined && self.masterId === master.self.id);
    const ends = this.#moves.flatMap(({ from, to }) => [
      { victim: 'source', node: masterOf(from) },
      { victim: 'target', node: masterOf(to) },
    ]);
    if (victim === 'replica') return ends.flatMap(({ node }) => replicasOf(node)).at(0);
    // Without a replica nobody could take over.
    return ends.find((end) => end.victim === victim && replicasOf(end.node).length > 0)?.node;
  }

  /** What it may have taken with it: writes that it had not replicated. To a target, keys come that were written long ago. */
  #note({ host, port, self }: Member, victim: NodeVictim, when: Pick<KilledMaster, 'at' | 'goneAt'>): void {
    if (self.masterId !== null) return;
    const node = `${host}:${port}`;
    const arriving = this.#moves.filter(({ to }) => to === node).flatMap(({ ranges }) => ranges);
    this.#killed.push({ node, slots: self.slots, ...when });
    if (victim === 'target')
      this.#killed.push({ node: `${node}, arriving`, slots: arriving, ...when, withinMs: Infinity });
  }

  async #tookOver({ id }: ViewEntry): Promise<boolean> {
    const members = await this.members();
    const covered = members.reduce((sum, { self }) => sum + slotsIn(self.slots), 0);
    return covered >= SLOT_COUNT && members.every(({ self }) => self.id !== id);
  }
}

async function viewOf(at: { address: string; port: number; password: string }): Promise<readonly ViewEntry[] | null> {
  const { address, port, password } = at;
  const node = new Redis({
    ...{ host: address, port, username: 'admin', password, protocol: 2, lazyConnect: true },
    ...{ retryStrategy: () => null, connectTimeout: ANSWER_MS, commandTimeout: ANSWER_MS },
  });
  node.on('error', () => undefined);
  try {
    await node.connect();
    return parseClusterNodes(String(await node.call('CLUSTER', 'NODES')));
  } catch {
    return null;
  } finally {
    node.disconnect();
  }
}
