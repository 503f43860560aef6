import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from 'ioredis';

/** Clients that write, overwrite, delete and read while something goes on, each in keys of its own, and know what has to be there. */
export class BusyClients {
  readonly #wanted = new Map<string, string | null>();
  readonly #running: Promise<void>[];
  #stopped = false;
  readonly errors: string[] = [];
  acknowledged = 0;

  constructor(
    clients: readonly Cluster[],
    private readonly keysEach = 2000,
  ) {
    this.#running = clients.map((client, i) => this.#work(client, i));
  }

  /** Ends them, and gives what is wrong: refused commands, and keys that are not what was acknowledged. */
  async end(reader: Cluster): Promise<string[]> {
    this.#stopped = true;
    await Promise.all(this.#running);
    const problems = [...this.errors];
    const keys = [...this.#wanted.keys()];
    for (let at = 0; at < keys.length; at += 200) {
      const some = keys.slice(at, at + 200);
      const found = await Promise.all(some.map((key) => reader.get(key)));
      for (const [i, key] of some.entries()) {
        const wanted = this.#wanted.get(key) ?? null;
        if (found[i] !== wanted) problems.push(`${key}: ${found[i]} instead of ${wanted}`);
      }
    }
    return problems.slice(0, 20);
  }

  async #work(client: Cluster, own: number): Promise<void> {
    for (let n = 0; !this.#stopped; n += 1) {
      const key = `busy:${own}:${(n * 7919) % this.keysEach}`;
      try {
        const before = await client.get(key);
        const wanted = this.#wanted.get(key) ?? null;
        if (before !== wanted) this.errors.push(`${key}: read ${before} instead of ${wanted}`);
        await this.#write(client, key, n);
        this.acknowledged += 1;
      } catch (error) {
        this.errors.push(`${key}: ${String(error)}`);
      }
      if (n % 20 === 0) await sleep(1);
    }
  }

  async #write(client: Cluster, key: string, n: number): Promise<void> {
    switch (n % 4) {
      case 0:
        await client.del(key);
        this.#wanted.set(key, null);
        return;
      case 1:
        await client.set(key, `${n}`, 'EX', 3600);
        break;
      default:
        await client.set(key, `${n}`);
    }
    this.#wanted.set(key, `${n}`);
  }
}
