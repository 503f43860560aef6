import { readFile, rename, writeFile } from 'node:fs/promises';
import { ForgeError } from '../domain/errors.js';
import type { ContainerEngine } from './container-engine.js';
import { containerFiles, containerName } from './container-host.js';
import { findImage } from './container-image.js';
import { containerStatus } from './container-power.js';
import type { Cut, LabFaults, LabHost } from './driver.js';

/** What a host does not hear (`from`) or does not send (`to`). */
interface Loss {
  readonly at: LabHost;
  readonly lines: readonly string[];
}

const ALL = '0.0.0.0/0';
/** In the image: makes packet filter rules of the host's file. */
const NETWORK_PROGRAM = '/usr/local/sbin/lab-network';

type NetworkFaults = Pick<LabFaults, 'cut' | 'mend' | 'heal' | 'isCut'>;

/**
 * Where each end of a cut loses what. A pair loses what comes in at both ends, so that no end is told of it: a packet that is stopped
 * on its way out is an error for some senders.
 */
function lossesOf(cut: Cut): Loss[] {
  switch (cut.kind) {
    case 'pair':
      return bothWays(...cut.hosts);
    case 'oneWay':
      return [{ at: cut.to, lines: [`from ${cut.from.address}`] }];
    case 'others':
      return cut.others.flatMap((other) => bothWays(cut.host, other));
    case 'everything':
      return [{ at: cut.host, lines: [`from ${ALL}`, `to ${ALL}`] }];
    default:
      return cut satisfies never;
  }
}

function bothWays(one: LabHost, other: LabHost): Loss[] {
  return [
    { at: one, lines: [`from ${other.address}`] },
    { at: other, lines: [`from ${one.address}`] },
  ];
}

/** The file that outlives the container is written first, then the packet filter follows it. */
export function createNetworkFaults(engine: ContainerEngine): NetworkFaults {
  const change = async (cut: Cut, edit: (lines: Set<string>, line: string) => void) => {
    const byHost = new Map<string, { host: LabHost; lines: string[] }>();
    for (const { at, lines } of lossesOf(cut)) {
      const entry = byHost.get(at.name) ?? { host: at, lines: [] };
      entry.lines.push(...lines);
      byHost.set(at.name, entry);
    }
    for (const { host, lines } of byHost.values()) {
      const now = new Set(await readCuts(host));
      for (const line of lines) edit(now, line);
      await writeCuts(host, [...now]);
      await apply(host);
    }
  };

  /** A host that does not run reads the file when it boots. A frozen one runs nothing: its packet filter is set from a container beside it. */
  const apply = async (host: LabHost): Promise<void> => {
    const status = await containerStatus(engine, host);
    if (status === 'missing' || status === 'stopped') return;
    const inside = ['exec', containerName(host), NETWORK_PROGRAM];
    const argv = status === 'frozen' ? besideArgv(host, (await findImage(engine)).tag) : inside;
    const answer = await engine.ask({ argv });
    if (answer.code === 0 || (await containerStatus(engine, host)) === 'stopped') return;
    throw new ForgeError('CommandFailed', {
      what: `The packet filter of lab host ${host.name} could not be set: ${answer.stderr.trim()}`,
      left: 'The cut is noted for the next boot of the host, and may not be in force now.',
      next: 'Ask for it again, or `redisforge lab heal`. Where the kernel of this machine has no nf_tables, hosts cannot be cut.',
    });
  };

  return {
    cut: (cut: Cut) => change(cut, (lines, line) => lines.add(line)),
    mend: (cut: Cut) => change(cut, (lines, line) => lines.delete(line)),
    async heal(hosts: readonly LabHost[]) {
      for (const host of hosts) {
        if ((await readCuts(host)).length > 0) await writeCuts(host, []);
        await apply(host);
      }
    },
    isCut: async (host: LabHost) => (await readCuts(host)).length > 0,
  };
}

function besideArgv(host: LabHost, image: string): string[] {
  return [
    ...['run', '--rm', '--network', `container:${containerName(host)}`, '--cap-add', 'NET_ADMIN'],
    ...['--mount', `type=bind,"source=${containerFiles(host.home).settings}",target=/etc/redisforge-lab,readonly`],
    ...['--entrypoint', NETWORK_PROGRAM, image],
  ];
}

async function readCuts(host: LabHost): Promise<string[]> {
  const text = await readFile(containerFiles(host.home).cuts, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

async function writeCuts(host: LabHost, lines: readonly string[]): Promise<void> {
  const { cuts } = containerFiles(host.home);
  await writeFile(`${cuts}.new`, lines.map((line) => `${line}\n`).join(''));
  await rename(`${cuts}.new`, cuts);
}
