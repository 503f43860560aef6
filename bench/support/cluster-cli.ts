import { setTimeout as sleep } from 'node:timers/promises';
import { redisCli } from '../../test/support/redis-cli.js';

const POLL_MS = 50;
const AGREE_MS = 20_000;

export interface CliTarget {
  /** `ip:port` of a node. */
  readonly entry: string;
  /** Of the user `admin`. */
  readonly password: string;
  /** The engine's own client. */
  readonly program: string;
}

/** `redis-cli --cluster VERB` towards a cluster, as admin and without asking; fails where it does. */
export type ClusterCli = (verb: string, options?: readonly string[]) => Promise<void>;

export function clusterCli({ entry, password, program }: CliTarget): ClusterCli {
  return async (verb, options = []) => {
    const argv = ['--cluster', verb, entry, ...options, ...(verb === 'check' ? [] : ['--cluster-yes'])];
    const { code, text } = await redisCli({ argv, password, program });
    if (code !== 0) throw new Error(`${program} ${argv.join(' ')} ended with ${code}:\n${text.slice(-2000)}`);
  };
}

/** Waits until all nodes tell the same of all slots: the next move, whoever makes it, is refused before. */
export async function agreement(cli: ClusterCli): Promise<void> {
  const end = performance.now() + AGREE_MS;
  for (;;) {
    try {
      return await cli('check');
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await sleep(POLL_MS);
  }
}
