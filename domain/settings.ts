import { capabilitiesOf } from './capabilities.js';
import type { AnsweringNode } from './observation.js';
import { visibleLine } from './visible.js';

/** A setting that a node runs with and the one that the spec wants, both as CONFIG GET prints them. */
export interface SettingChange {
  readonly setting: string;
  readonly running: string;
  readonly wanted: string;
}

/** Whether Redis takes both texts for the same value: the words of switches and choices count in either case. */
export function sameSetting(one: string, other: string): boolean {
  return one === other || (PLAIN_WORD.test(one) && one.toLowerCase() === other.toLowerCase());
}

const PLAIN_WORD = /^[a-z-]+$/i;

/** A change in words: `maxclients 1000 → 500`. */
export function changeText({ setting, running, wanted }: SettingChange): string {
  return `${setting} ${shownValue(running)} → ${shownValue(wanted)}`;
}

/** An empty value can be seen, too, and what a terminal would act on. */
export function shownValue(value: string): string {
  return value === '' ? '""' : visibleLine(value);
}

/**
 * Directives that a server reads when it starts and never again: IMMUTABLE_CONFIG and PROTECTED_CONFIG in src/config.c of Redis 6.2, 7.0, 7.2, 7.4 and of
 * Valkey 7.2 and 8.0. CONFIG SET refuses them. The CPU lists are spelled with underscores up to Redis 7.2.
 */
const FIXED_AT_START: ReadonlySet<string> = new Set([
  ...['aclfile', 'always-show-logo', 'appenddirname', 'appendfilename', 'dbfilename', 'dir', 'logfile', 'pidfile'],
  ...['aof-rewrite-cpulist', 'bgsave-cpulist', 'bio-cpulist', 'server-cpulist'],
  ...['aof_rewrite_cpulist', 'bgsave_cpulist', 'bio_cpulist', 'server_cpulist'],
  ...[
    'client-default-resp',
    'cluster-config-file',
    'cluster-databases',
    'cluster-enabled',
    'cluster-port',
    'databases',
  ],
  ...['daemonize', 'disable-thp', 'enable-debug-assert', 'enable-debug-command', 'enable-module-command'],
  ...['enable-protected-configs', 'io-threads', 'io-threads-do-reads', 'rdbchecksum', 'replicaof', 'req-res-logfile'],
  ...['set-proc-title', 'slaveof', 'socket-mark-id', 'supervised', 'syslog-enabled', 'syslog-facility', 'syslog-ident'],
  ...['tcp-backlog', 'unixsocket', 'unixsocketgroup', 'unixsocketperm'],
]);

/** Whether only a restart changes this setting of this server. */
export function fixedAtStart(setting: string, server: Pick<AnsweringNode, 'engine' | 'version'>): boolean {
  return FIXED_AT_START.has(setting) && !capabilitiesOf(server).settableWhileRunning.has(setting);
}

/** More memory is given before the policy changes, and less after it: between the two no write is refused that neither would refuse. */
export function inSafeOrder(changes: readonly SettingChange[]): SettingChange[] {
  const place = (change: SettingChange) => {
    if (change.setting !== 'maxmemory') return 0;
    return lowersLimit(change) ? 1 : -1;
  };
  return [...changes].sort((a, b) => place(a) - place(b));
}

/** Whether a limit becomes smaller; 0 is none. */
export function lowersLimit({ running, wanted }: SettingChange): boolean {
  const [from, to] = [Number(running), Number(wanted)];
  return to > 0 && (from === 0 || to < from);
}
