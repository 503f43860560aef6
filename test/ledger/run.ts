import { Cluster } from 'ioredis';
import { SLOT_COUNT } from '../../domain/slots.js';
import { Cells } from './cells.js';
import { acknowledge, type Cell, doubt, KINDS, type Kind, nextWrite, NOTHING, refuse, type Write } from './model.js';
import type {
  ClientError,
  KeySample,
  Latency,
  LedgerCounts,
  LedgerRequest,
  LedgerVerdict,
  Loss,
  VerifyRequest,
} from './protocol.js';
import { readBack, removeKeys } from './read-back.js';

/** How often it is looked whether writes are due. */
const TICK_MS = 4;
/** After a standstill no more than this is made up for. */
const MOST_DEBT_MS = 100;
/** A write that is not answered within this has failed, its outcome unknown. */
const PATIENCE_MS = 15_000;
/** So many errors are kept in full. */
const SAMPLES = 200;
/** A client that met an error asks again who owns what, as often at the most. */
const REFRESH_MS = 200;

/** Several cluster-aware clients that write without end, and all that they were told. */
export class LedgerRun {
  readonly #request: LedgerRequest;
  readonly #cells: Cells;
  readonly #clients: Cluster[];
  readonly #writes = new Uint32Array(SLOT_COUNT);
  readonly #byKind = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  readonly #latencies: number[] = [];
  readonly #errors: ClientError[] = [];
  readonly #errorWords: Record<string, number> = {};
  readonly #losses: Loss[] = [];
  #lastError: ClientError | null = null;
  #counts = { acknowledged: 0, errors: 0, unsure: 0 };
  #inFlight = 0;
  #begun = 0;
  #ticker: NodeJS.Timeout | undefined;
  #writtenMs = 0;
  #since = 0;
  #refreshed = 0;

  constructor(request: LedgerRequest) {
    this.#request = request;
    const { slots = [[0, SLOT_COUNT - 1]], mostKeys = 60_000, clients = 4 } = request;
    const id = `w${process.pid.toString(36)}${Date.now().toString(36).slice(-5)}`;
    this.#cells = new Cells({ slots, mostKeys, id });
    this.#clients = Array.from({ length: clients }, () => strictClient(request));
  }

  /** Writes from now on. */
  async start(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.connect()));
    this.resume();
  }

  resume(): void {
    if (this.#ticker !== undefined) return;
    const { perSecond = 3000, mostInFlight = 256 } = this.#request;
    this.#since = performance.now();
    let last = this.#since;
    let due = 0;
    this.#ticker = setInterval(() => {
      const now = performance.now();
      due = Math.min(due + ((now - last) * perSecond) / 1000, (MOST_DEBT_MS * perSecond) / 1000);
      last = now;
      for (; due >= 1 && this.#inFlight < mostInFlight; due -= 1) this.#begin();
    }, TICK_MS);
  }

  /** Begins no write any more; returns when all that were begun have ended. */
  async pause(): Promise<void> {
    if (this.#ticker === undefined) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    this.#writtenMs += performance.now() - this.#since;
    while (this.#inFlight > 0) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }

  counts(): LedgerCounts {
    const slots = this.#cells.slots;
    const leastWrites = slots.reduce((least, slot) => Math.min(least, this.#writes[slot] ?? 0), Infinity);
    return { ...this.#counts, slots: slots.length, leastWrites };
  }

  /** Keys that are not being written, with what they held. */
  sample(): KeySample[] {
    const still = this.#cells.all
      .filter(({ state, version }) => state !== 'busy' && version > 0)
      .slice(0, SAMPLES * 10);
    return still.map(({ key, slot, kind, history }) => ({
      key,
      slot,
      kind,
      held: history.map(({ digest }) => digest),
    }));
  }

  /** Stops writing and reads all keys back; may be asked again. */
  async verify(request: VerifyRequest): Promise<LedgerVerdict> {
    await this.pause();
    const { app, admin, nodes } = this.#request;
    const read = await readBack({ ...request, nodes: request.nodes ?? nodes, app, admin, cells: this.#cells.all });
    const seconds = this.#writtenMs / 1000;
    return {
      ...this.counts(),
      seconds: Number(seconds.toFixed(1)),
      perSecond: Math.round(this.#counts.acknowledged / seconds),
      latency: latencyOf(this.#latencies),
      byKind: this.#byKind,
      keysRead: read.keysRead,
      keysOn: read.keysOn,
      errorSamples: this.#errors,
      errorWords: this.#errorWords,
      lastError: this.#lastError,
      losses: [...this.#losses, ...read.losses],
    };
  }

  /** Takes away all that it wrote. */
  async clear(): Promise<void> {
    await this.pause();
    const { nodes, app } = this.#request;
    await removeKeys({ nodes, app, keys: this.#cells.all.map(({ key }) => key) });
  }

  close(): void {
    clearInterval(this.#ticker);
    for (const client of this.#clients) client.disconnect();
  }

  #begin(): void {
    const cell = this.#cells.next();
    const client = this.#clients[this.#begun++ % this.#clients.length];
    if (cell === null || client === undefined) return;
    this.#inFlight += 1;
    void this.#write(client, cell).finally(() => (this.#inFlight -= 1));
  }

  async #write(client: Cluster, cell: Cell): Promise<void> {
    const write = nextWrite(cell);
    const [name, ...words] = write.command;
    const sent = Date.now();
    const clock = performance.now();
    try {
      const reply: unknown = await client.call(name, ...words);
      this.#latencies.push(performance.now() - clock);
      this.#counts.acknowledged += 1;
      this.#writes[cell.slot] = (this.#writes[cell.slot] ?? 0) + 1;
      this.#byKind[cell.kind] += 1;
      const wrong = acknowledge(cell, { write, reply, during: [sent, Date.now()] });
      if (wrong !== null) this.#losses.push({ ...lossOf(cell, wrong), ackedAt: wrong.ackedAt });
    } catch (error) {
      this.#failed({ client, cell, write, error, sent });
    }
  }

  #failed(of: { client: Cluster; cell: Cell; write: Write; error: unknown; sent: number }): void {
    const { client, cell, write, error, sent } = of;
    const words = error instanceof Error ? error.message : String(error);
    const at = Date.now();
    this.#counts.errors += 1;
    const kind = words.replace(/\d+(\.\d+)*(:\d+)?/g, 'N');
    this.#errorWords[kind] = (this.#errorWords[kind] ?? 0) + 1;
    const { key, slot } = cell;
    this.#lastError = { at, command: write.command[0], key, slot, words };
    if (this.#errors.length < SAMPLES) this.#errors.push(this.#lastError);
    if (wasRefused(error)) refuse(cell);
    else {
      this.#counts.unsure += 1;
      doubt(cell, { write, during: [sent, at] });
    }
    if (performance.now() - this.#refreshed < REFRESH_MS) return;
    this.#refreshed = performance.now();
    client.refreshSlotsCache(() => undefined);
  }
}

/** Follows redirects as any client does, and hides nothing else: what its library would try again by itself is an error here. */
function strictClient({ nodes, app }: LedgerRequest): Cluster {
  const client = new Cluster(
    nodes.map(({ address, port }) => ({ host: address, port })),
    {
      lazyConnect: true,
      maxRedirections: 16,
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      clusterRetryStrategy: () => 100,
      redisOptions: { username: app.user, password: app.password, protocol: 2, commandTimeout: PATIENCE_MS },
    },
  );
  client.on('error', () => undefined);
  return client;
}

/** An answer of the server's own, or nothing but redirects: it was not executed. */
function wasRefused(error: unknown): boolean {
  return error instanceof Error && (error.name === 'ReplyError' || error.message.startsWith('Too many Cluster'));
}

function lossOf(cell: Cell, { found, expected }: { found: string; expected: string }): Omit<Loss, 'ackedAt'> {
  const { key, slot, kind } = cell;
  const problem = found === NOTHING ? 'missing' : expected === NOTHING ? 'resurrected' : 'lost update';
  return { problem, key, slot, kind, expected, found };
}

function latencyOf(latencies: readonly number[]): Latency {
  const sorted = Float64Array.from(latencies).sort();
  const at = (part: number) =>
    Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(1));
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
