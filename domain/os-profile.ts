import type { OsSurvey } from './survey.js';

/** What the profile wants of one setting of a host, and why. `docs/os-profile.md` shows the same table. */
export interface ProfileSetting {
  /** The name of a sysctl; `thp.…` for the files of transparent huge pages. */
  readonly key: string;
  readonly wanted: string;
  /** Whether another value may be as good: it is then left as it is. */
  readonly compare: 'exactly' | 'at least' | 'at most';
  /** `network`: each network namespace has its own, a container too. `machine`: one for all that share the kernel. */
  readonly scope: 'network' | 'machine';
  readonly why: string;
}

export const OS_PROFILE: readonly ProfileSetting[] = [
  {
    key: 'net.core.somaxconn',
    wanted: '65535',
    compare: 'at least',
    scope: 'network',
    why: 'Cuts every queue of connections that wait to be accepted. After a failover all clients come back at once; what does not fit is dropped and tried again seconds later.',
  },
  {
    key: 'net.ipv4.tcp_max_syn_backlog',
    wanted: '8192',
    compare: 'at least',
    scope: 'network',
    why: 'Room for connections whose handshake is not over yet, for the same storm of clients.',
  },
  {
    key: 'net.ipv4.tcp_keepalive_time',
    wanted: '300',
    compare: 'at most',
    scope: 'network',
    why: 'Seconds until an idle connection is probed, where the program sets none of its own. The default of two hours outlives what firewalls and NAT remember.',
  },
  {
    key: 'net.ipv4.tcp_keepalive_intvl',
    wanted: '15',
    compare: 'at most',
    scope: 'network',
    why: 'Seconds between two probes.',
  },
  {
    key: 'net.ipv4.tcp_keepalive_probes',
    wanted: '5',
    compare: 'at most',
    scope: 'network',
    why: 'Probes without an answer until the other side is taken for gone: with the two above after about six minutes instead of two hours and eleven minutes.',
  },
  {
    key: 'vm.overcommit_memory',
    wanted: '1',
    compare: 'exactly',
    scope: 'machine',
    why: 'A save or a rewrite of the log forks. Else the kernel may refuse the fork of a node that uses half of the memory, though the copy shares nearly all pages: no save, no new replica.',
  },
  {
    key: 'vm.swappiness',
    wanted: '1',
    compare: 'exactly',
    scope: 'machine',
    why: 'A page of Redis in the swap stops every client of the node while it is read. 0 would rather have the kernel kill the node.',
  },
  {
    key: 'thp.enabled',
    wanted: 'never',
    compare: 'exactly',
    scope: 'machine',
    why: 'With transparent huge pages each write after a fork copies 2 MB instead of 4 kB: latency and memory jump during every save.',
  },
  {
    key: 'thp.defrag',
    wanted: 'never',
    compare: 'exactly',
    scope: 'machine',
    why: 'No program is to wait until the kernel has put a huge page together.',
  },
];

/** What keeps a clock right: looked for, never installed. */
export const TIME_SERVICES = 'chronyd, ntpd or systemd-timesyncd';

/** How a host stands to one setting of the profile. */
export interface ProfileRow {
  readonly setting: ProfileSetting;
  /** `null` where the kernel has no such setting. */
  readonly running: string | null;
  /** As wanted, or better. */
  readonly fits: boolean;
  /** Whether the next boot brings it; a value that is better than ours is somebody else's to keep. */
  readonly kept: boolean;
  /** `free`: can be set here. `denied`: this host does not let us. `foreign`: it is not this host's own. */
  readonly access: 'free' | 'denied' | 'foreign';
}

/** Every setting of the profile as this host has it. */
export function profileRows(os: OsSurvey): ProfileRow[] {
  return OS_PROFILE.flatMap((setting) => {
    const { key, wanted, scope } = setting;
    const found = os.settings[key];
    // A kernel without huge pages has nothing to switch off.
    if (found === undefined && key.startsWith('thp.')) return [];
    const running = found?.value ?? null;
    const own = os.own === 'machine' || os.own === scope;
    const access = !own ? 'foreign' : found?.writable === true ? 'free' : 'denied';
    const inFile = os.kept[key] === wanted;
    const kept = !os.keepable || (running === wanted ? inFile : !inFile);
    return [{ setting, running, fits: running !== null && fits(setting, running), kept, access }];
  });
}

function fits({ compare, wanted }: ProfileSetting, running: string): boolean {
  switch (compare) {
    case 'exactly':
      return running === wanted;
    case 'at least':
      return Number(running) >= Number(wanted);
    case 'at most':
      return Number(running) <= Number(wanted);
    default:
      return compare satisfies never;
  }
}

/** What `apply` has to change on a host: values that differ, and values that the next boot would not bring. */
export function profileChanges(os: OsSurvey): ProfileRow[] {
  return profileRows(os).filter((row) => row.access === 'free' && !(row.fits && row.kept));
}

/** All that a host is told to keep and to run with, by key. A value that is better than ours is left out of both. */
export function profileToSet(os: OsSurvey): Record<string, string> {
  const ours = profileRows(os).filter(
    ({ access, fits, running, setting }) => access === 'free' && (!fits || running === setting.wanted),
  );
  return Object.fromEntries(ours.map(({ setting }) => [setting.key, setting.wanted]));
}

/** `vm.swappiness 60 instead of 1`. */
export function rowText({ setting: { key, wanted, compare }, running }: ProfileRow): string {
  if (running === null) return `${key} is not known to this kernel`;
  return `${key} ${running} instead of ${compare === 'exactly' ? wanted : `${compare} ${wanted}`}`;
}
