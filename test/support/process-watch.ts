import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What everybody on the machine (the arguments) and its user (the environment) can see of a process. */
export interface SeenProcess {
  readonly arguments: string;
  readonly environment: string;
}

export interface ProcessWatch {
  /** All that was seen so far, each once. */
  seen(): SeenProcess[];
  stop(): Promise<void>;
}

/** Between two looks at all processes: most commands on a host live longer than this. */
const LOOK_EVERY_MS = 10;

/** Looks at all processes of this machine, over and over until it is stopped. */
export function watchProcesses(): ProcessWatch {
  const seen = new Map<string, SeenProcess>();
  const enough = new AbortController();
  const watching = (async () => {
    while (!enough.signal.aborted) {
      for (const process of allProcesses()) seen.set(`${process.arguments}\n${process.environment}`, process);
      await sleep(LOOK_EVERY_MS);
    }
  })();
  return {
    seen: () => [...seen.values()],
    stop() {
      enough.abort();
      return watching;
    },
  };
}

function allProcesses(): SeenProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        // In this order: a process that becomes another program in between is taken for what it became.
        const environment = words(`/proc/${pid}/environ`);
        return [{ environment, arguments: words(`/proc/${pid}/cmdline`) }];
      } catch {
        return []; // It has ended, or belongs to another user.
      }
    });
}

function words(file: string): string {
  return readFileSync(file, 'latin1').replaceAll('\0', ' ');
}
