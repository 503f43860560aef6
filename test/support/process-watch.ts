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

/** About as long as the shortest commands on a host live: of a few dozen of a kind, some are seen. */
const LOOK_EVERY_MS = 1;

/** A process is looked at anew for this long: it begins as a copy of the one that started it. */
const YOUNG_MS = 100;

/** Looks at all processes of this machine, over and over until it is stopped. */
export function watchProcesses(): ProcessWatch {
  const seen = new Map<string, SeenProcess>();
  const enough = new AbortController();
  const watching = (async () => {
    let born = new Map<string, number>();
    while (!enough.signal.aborted) {
      const now = performance.now();
      born = new Map(processIds().map((id) => [id, born.get(id) ?? now]));
      for (const [id, since] of born) {
        if (now - since > YOUNG_MS) continue;
        const process = look(id);
        if (process !== undefined) seen.set(`${process.arguments}\n${process.environment}`, process);
      }
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

function processIds(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

/** `undefined` where it has ended, or belongs to another user. */
function look(id: string): SeenProcess | undefined {
  const words = (file: string) => readFileSync(`/proc/${id}/${file}`, 'latin1').replaceAll('\0', ' ');
  try {
    // In this order: a process that becomes another program in between is taken for what it became.
    const environment = words('environ');
    return { environment, arguments: words('cmdline') };
  } catch {
    return undefined;
  }
}
