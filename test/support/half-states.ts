import { type Command, connectNode, valueOf } from '../../activities/redis/connection.js';
import { form } from '../../activities/redis/form.js';
import { observe } from '../../activities/redis/observe.js';
import { lookAtSlots } from '../../activities/redis/slots/look.js';
import { repairSlots, type RepairDeps } from '../../activities/redis/slots/repair.js';
import { Secret } from '../../config/secrets.js';
import { wantedSettings } from '../../config/settings.js';
import { expectationOf } from '../../domain/expectation.js';
import { judge } from '../../domain/judge.js';
import { keySlot } from '../../domain/key-slot.js';
import { type AnsweringNode, answering, selfOf } from '../../domain/observation.js';
import { eachSlot } from '../../domain/ownership.js';
import { place } from '../../domain/placement.js';
import { planRepairs, type RepairPlan } from '../../domain/slot-repair-plan.js';
import type { SlotRepair } from '../../domain/slot-repairs.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { Verdict } from '../../domain/verdict.js';
import type { Engine } from '../../lab/engines.js';
import { CONFIRMED, TOKEN } from './fence.js';
import { cliOf, proofProblems, type ProofRequest } from './proof.js';
import { redisCli } from './redis-cli.js';
import { type RedisNodes, startRedisNodes } from './redis-nodes.js';
import { triedAgain } from './tried-again.js';
import { until } from './until.js';

/** Short, so that a replica takes over soon; long enough for a busy machine. */
const NODE_TIMEOUT_MS = 2000;

/** A master with its replica, as they are now. */
export interface Shard {
  readonly master: string;
  readonly id: string;
  readonly replica: string;
}

/** Three masters with a replica each, whose slots can be brought into every half state, with keys that are accounted for. */
export class HalfCluster {
  /** What every key is to have in the end. */
  readonly ledger = new Map<string, string>();
  readonly #tags = new Map<number, string>();
  #step = 0;

  private constructor(
    readonly nodes: RedisNodes,
    readonly spec: ClusterSpec,
    readonly engine: Engine,
  ) {}

  static async start(engine: Engine): Promise<HalfCluster> {
    const nodes = await startRedisNodes({ engine, args: ['--cluster-node-timeout', `${NODE_TIMEOUT_MS}`] });
    const spec = { ...nodes.spec, redis: { ...nodes.spec.redis, nodeTimeoutMs: NODE_TIMEOUT_MS } };
    await form({ spec, token: TOKEN, ...place(spec) }, { secrets: nodes.secrets, ...CONFIRMED });
    return new HalfCluster(nodes, spec, engine);
  }

  get names(): string[] {
    return [...this.nodes.servers.keys()];
  }

  async stop(): Promise<void> {
    await this.nodes.stop();
  }

  /** As the user who may do everything; refusals are thrown. */
  async tell(node: string, ...commands: readonly Command[]): Promise<unknown[]> {
    const credentials = { user: 'admin', password: new Secret(this.nodes.password.admin) };
    const port = Number(node.split(':')[1]);
    const connection = await connectNode({ address: '127.0.0.1', port, credentials, timeoutMs: 10_000 });
    try {
      return (await connection.pipeline(commands)).map((reply) => valueOf(reply));
    } finally {
      connection.close();
    }
  }

  setSlots(node: string, slots: readonly number[], ...words: readonly string[]): Promise<unknown[]> {
    return this.tell(node, ...slots.map((slot): Command => ['CLUSTER', 'SETSLOT', slot, ...words]));
  }

  /** What all nodes say that answer. */
  async look(): Promise<AnsweringNode[]> {
    return answering(await observe({ spec: this.spec, secrets: this.nodes.secrets }));
  }

  /** The shards in the order of their slots. */
  async shards(): Promise<Shard[]> {
    const seen = await this.look();
    const masters = seen.filter((node) => selfOf(node)?.masterId === null && (selfOf(node)?.slots.length ?? 0) > 0);
    const firstSlot = (node: AnsweringNode) => selfOf(node)?.slots[0]?.[0] ?? 0;
    return masters
      .sort((a, b) => firstSlot(a) - firstSlot(b))
      .map(({ name, id }) => ({
        ...{ master: name, id },
        replica: seen.find((node) => selfOf(node)?.masterId === id)?.name ?? '',
      }));
  }

  /** The middle slots of a master: they neighbour none of the others. */
  async slotsOf({ master }: Shard, count: number): Promise<number[]> {
    const own = await this.claims(master);
    const middle = Math.floor(own.length / 2);
    return own.slice(middle, middle + count);
  }

  /** The slots that a node says are its own. */
  async claims(name: string): Promise<number[]> {
    const node = (await this.look()).find((one) => one.name === name);
    return [...eachSlot(node === undefined ? [] : (selfOf(node)?.slots ?? []))];
  }

  keysOf(slot: number, count = 5): string[] {
    const tag = this.#tags.get(slot) ?? tagOf(slot);
    this.#tags.set(slot, tag);
    return Array.from({ length: count }, (_, n) => `{${tag}}:${n}`);
  }

  /** Writes the keys of these slots to a node that takes them. */
  async fill(node: string, slots: readonly number[], value = 'first'): Promise<void> {
    const keys = slots.flatMap((slot) => this.keysOf(slot));
    await this.tell(node, ...keys.map((key): Command => ['SET', key, `${value} ${key}`]));
    for (const key of keys) this.ledger.set(key, `${value} ${key}`);
  }

  /** As a client writes that was sent on with ASK. */
  async asked(node: string, key: string, value: string): Promise<void> {
    await this.tell(node, ['ASKING'], ['SET', key, value]);
  }

  /** The first keys of each slot go over. */
  async migrate(from: string, to: string, slots: readonly number[], count: number): Promise<void> {
    const { admin } = this.nodes.password;
    const port = Number(to.split(':')[1]);
    for (const slot of slots) {
      const keys = this.keysOf(slot).slice(0, count);
      if (keys.length === 0) continue;
      await this.tell(from, ['MIGRATE', '127.0.0.1', port, '', 0, 5000, 'AUTH2', 'admin', admin, 'KEYS', ...keys]);
    }
  }

  async verdict(): Promise<Verdict> {
    const observation = await observe({ spec: this.spec, secrets: this.nodes.secrets });
    return judge({
      observation,
      expectation: expectationOf(this.spec, wantedSettings(this.spec)),
      cluster: this.spec.name,
    });
  }

  /** What our findings call it, errors only. */
  async errors(): Promise<string[]> {
    const { findings } = await this.verdict();
    return [...new Set(findings.filter(({ severity }) => severity === 'error').map(({ code }) => code))];
  }

  /** The lines in which redis-cli says that something is wrong. */
  async cliComplaints(from: string): Promise<string[]> {
    const { port } = this.nodes.servers.get(from) ?? { port: 0 };
    const argv = ['--cluster', 'check', `127.0.0.1:${port}`, '--cluster-search-multiple-owners'];
    const { text } = await redisCli({ argv, password: this.nodes.password.admin, program: cliOf(this.engine) });
    return text.split('\n').filter((line) => /^\[(ERR|WARNING)\]/.test(line));
  }

  async plan(): Promise<RepairPlan> {
    const observation = await observe({ spec: this.spec, secrets: this.nodes.secrets });
    return planRepairs(await lookAtSlots({ spec: this.spec, observation }, { secrets: this.nodes.secrets }));
  }

  /** Asked again where somebody interrupts, as a worker would. */
  async repair(repairs: readonly SlotRepair[], deps: Partial<RepairDeps> = {}): Promise<readonly string[]> {
    this.#step += 1;
    const token = { generation: 2, step: `repair-${this.#step}`, attempt: 1 };
    const step = { spec: this.spec, token, repairs };
    const run = () => repairSlots(step, { secrets: this.nodes.secrets, ...CONFIRMED, ...deps });
    return (await triedAgain(run)).effects;
  }

  /** Whatever another test has left is mended. */
  async mendAll(): Promise<void> {
    const { repairs } = await this.plan();
    if (repairs.length > 0) await this.repair(repairs);
    await until('no half state', async () => (await this.plan()).repairs.length === 0, 20_000);
  }

  /** What is wrong with the cluster, by everybody's word; empty when all is well. */
  async problems(search: ProofRequest['search'] = 'one node'): Promise<string[]> {
    const { admin } = this.nodes.password;
    const nodes = [...this.nodes.servers.values()].map(({ port }) => ({ address: '127.0.0.1', port }));
    let problems: string[] = [];
    await until(
      'gossip has gone round',
      async () => {
        problems = (await this.errors()).map((code) => `we find ${code}`);
        return problems.length === 0;
      },
      20_000,
    ).catch(() => undefined);
    const proof = await proofProblems({ nodes, password: admin, cli: cliOf(this.engine), search });
    return [...problems, ...proof, ...(await this.keyProblems())];
  }

  /** Keys that are not there exactly once, with the value that they should have. */
  async keyProblems(): Promise<string[]> {
    const masters = (await this.look()).filter((node) => selfOf(node)?.masterId === null);
    const found = new Map<string, string[]>();
    const problems: string[] = [];
    for (const { name, view, id } of masters) {
      const owned = new Set(eachSlot(selfOf({ id, view })?.slots ?? []));
      for (const [slot] of this.#tags) {
        const [keys] = await this.tell(name, ['CLUSTER', 'GETKEYSINSLOT', slot, 1000]);
        for (const key of keys as string[]) {
          if (!owned.has(slot)) problems.push(`${name} has ${key}, and does not own it`);
          else found.set(key, [...(found.get(key) ?? []), String((await this.tell(name, ['GET', key]))[0])]);
        }
      }
    }
    for (const [key, wanted] of this.ledger) {
      const values = found.get(key) ?? [];
      if (values.length !== 1 || values[0] !== wanted)
        problems.push(`${key}: ${values.join(' and ') || 'gone'} instead of ${wanted}`);
    }
    for (const key of found.keys()) if (!this.ledger.has(key)) problems.push(`${key} is there, and should not be`);
    return problems;
  }

  /** Until every replica has all that its master was told. */
  async replicated(): Promise<void> {
    const isBehind = async ({ master }: Shard) => {
      const [text] = await this.tell(master, ['INFO', 'replication']);
      const offset = (field: RegExp) => field.exec(String(text))?.[1];
      return offset(/master_repl_offset:(\d+)/) !== offset(/slave0:.*offset=(\d+)/);
    };
    await until(
      'replicas are up to date',
      async () => !(await Promise.all((await this.shards()).map(isBehind))).includes(true),
      10_000,
    );
  }

  /** Kills a master, and waits until its replica has taken over. */
  async kill({ master, replica }: Shard): Promise<void> {
    await this.nodes.servers.get(master)?.kill();
    await until(
      `${replica} takes over from ${master}`,
      async () => (await this.shards()).some((shard) => shard.master === replica),
      60_000,
    );
  }

  /** The replica takes over in an orderly way, and its master follows it. */
  async swap({ master, replica }: Shard): Promise<void> {
    await until(
      `${replica} takes over from ${master}`,
      async () => {
        await this.tell(replica, ['CLUSTER', 'FAILOVER']).catch(() => undefined);
        return until(
          'the swap',
          async () => (await this.shards()).some((one) => one.master === replica && one.replica === master),
          3000,
        );
      },
      60_000,
    );
  }

  /**
   * What was killed comes back and follows whoever took over: by itself, or told to where its shard has got or given slots since. Redis makes a replica of a master
   * that lost its last slot only where all slots of the one that took it were its own, as long as replicas are pinned.
   */
  async revive({ master, replica }: Shard): Promise<void> {
    await this.nodes.servers.get(master)?.restart();
    await until(
      `${master} follows`,
      async () => {
        const seen = await this.look();
        const [self, heir] = [master, replica].map((name) => seen.find((node) => node.name === name));
        const line = self === undefined ? null : selfOf(self);
        if (line?.masterId === null && line.slots.length === 0 && heir !== undefined) {
          // Keys that it had on its way when it was killed, and found again in its file, keep it from following.
          const { repairs } = await this.plan();
          if (repairs.length > 0) await this.repair(repairs);
          await this.tell(master, ['CLUSTER', 'REPLICATE', heir.id]);
        }
        return (await this.shards()).some((one) => one.master === replica && one.replica === master);
      },
      60_000,
    );
    await until(
      `${master} is in sync`,
      async () =>
        (await this.look()).find(({ name }) => name === master)?.replication.role === 'replica' &&
        !(await this.errors()).includes('ReplicationDown'),
      60_000,
    );
  }
}

/** Words whose hash lies in the slot. */
function tagOf(slot: number): string {
  for (let n = 0; ; n += 1) if (keySlot(`t${n}`) === slot) return `t${n}`;
}
