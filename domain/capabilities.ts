/** What a server says of itself. */
export interface ServerIdentity {
  readonly engine: 'redis' | 'valkey';
  /** `8.6.3`, or its first parts. */
  readonly version: string;
}

/** What a server can do, as far as not all of Redis 6.2 to 8.x and Valkey 7.2 to 9.x can. The one place that knows versions. */
export interface Capabilities {
  /** CLUSTER ADDSLOTSRANGE; else each slot is a word of its own. */
  readonly slotRanges: boolean;
  /** CLUSTER SHARDS. */
  readonly shards: boolean;
  /** Selectors, and key patterns for reading or writing alone (`%R~`), in ACLs. */
  readonly aclSelectors: boolean;
  /** The append-only log is a folder of files with a manifest. */
  readonly logInParts: boolean;
  /** Directives of redis.conf that it does not know and refuses to start with. */
  readonly unknownDirectives: ReadonlySet<string>;
  /** Settings that it takes while it runs, and others only when they start. */
  readonly settableWhileRunning: ReadonlySet<string>;
  /** CLUSTER SLOT-STATS. */
  readonly slotStats: boolean;
  /** CLUSTER SETSLOT is answered only when the node's replicas have it: one after the other on a connection. */
  readonly setSlotWaits: boolean;
  /**
   * A master that comes back and still imports a slot which its source has given away meanwhile takes that slot, by the newest claim of all: with it all others that it had, and whoever
   * took over from it throws away what was written since.
   */
  readonly importerReclaims: boolean;
  /** Of a slot that it neither owns nor imports it says that it has no keys, whatever it has; only its number of all keys gives them away. */
  readonly hidesForeignKeys: boolean;
  /** Who is told to move slots in one go, and by which command: the node that gets them, or the one that has them; `null` where keys are moved one by one. */
  readonly slotMover: { readonly asked: 'target' | 'source'; readonly command: readonly string[] } | null;
}

const NONE: ReadonlySet<string> = new Set();
/** Redis 7.0 brought them. */
const SINCE_7: ReadonlySet<string> = new Set(['aof-timestamp-enabled', 'cluster-allow-replica-migration']);
/** valkey-io/valkey#2033 */
const IO_THREADS: ReadonlySet<string> = new Set(['io-threads']);

export function capabilitiesOf(server: ServerIdentity): Capabilities {
  // Valkey began as Redis 7.2.
  const sevenOn = server.engine === 'valkey' || isFrom(server, 7, 0);
  return {
    slotRanges: sevenOn,
    shards: sevenOn,
    aclSelectors: sevenOn,
    logInParts: sevenOn,
    unknownDirectives: sevenOn ? NONE : SINCE_7,
    settableWhileRunning: server.engine === 'valkey' && isFrom(server, 9, 0) ? IO_THREADS : NONE,
    slotStats: isFrom(server, 8, server.engine === 'valkey' ? 0 : 2),
    // valkey-io/valkey#445
    setSlotWaits: server.engine === 'valkey' && isFrom(server, 8, 0),
    // The same change; seen in 8.1 and 9.1 (docs/movers.md).
    importerReclaims: server.engine === 'valkey' && isFrom(server, 8, 0),
    hidesForeignKeys: server.engine === 'redis' && isFrom(server, 8, 4),
    slotMover: slotMover(server),
  };
}

function slotMover(server: ServerIdentity): Capabilities['slotMover'] {
  if (server.engine === 'redis' && isFrom(server, 8, 4)) return { asked: 'target', command: ['CLUSTER', 'MIGRATION'] };
  if (server.engine === 'valkey' && isFrom(server, 9, 0))
    return { asked: 'source', command: ['CLUSTER', 'MIGRATESLOTS'] };
  return null;
}

function isFrom({ version }: ServerIdentity, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

const SAID = /^(Redis|Valkey) server v=(\d[0-9A-Za-z.+~_-]{0,63})(?=\s|$)/;

/** What a server program's `--version` says; `null` where it is another program's. */
export function identityFromWords(words: string): ServerIdentity | null {
  const [, kind, version] = SAID.exec(words) ?? [];
  if (kind === undefined || version === undefined) return null;
  return { engine: kind === 'Valkey' ? 'valkey' : 'redis', version };
}

/** The beginning of what a server program of this kind and version says. */
export function identityWords({ engine, version }: ServerIdentity): string {
  return `${engine === 'valkey' ? 'Valkey' : 'Redis'} server v=${version}`;
}

/** Whether a server takes keys as another one packs them (DUMP, MIGRATE, snapshots of slots): nobody reads a format that is newer than its own. */
export function readsPayloadsOf(target: ServerIdentity, source: ServerIdentity): boolean {
  const written = payloadFormat(source);
  if (target.engine === 'redis' || written < FIRST_OF_REDIS_ALONE) return written <= payloadFormat(target);
  // Valkey takes the formats that Redis has had since they parted for foreign.
  return source.engine === 'valkey' && written <= payloadFormat(target);
}

/** Of Redis 7.4; until 7.2 both are the same. */
const FIRST_OF_REDIS_ALONE = 12;

/** Versions of the RDB format, by the first engine that writes it (knowledge: mechanics 4.1, measured matrix 7.7). */
function payloadFormat(server: ServerIdentity): number {
  if (server.engine === 'valkey') return isFrom(server, 9, 0) ? 80 : 11;
  if (isFrom(server, 8, 6)) return 13;
  if (isFrom(server, 7, 4)) return 12;
  if (isFrom(server, 7, 2)) return 11;
  return isFrom(server, 7, 0) ? 10 : 9;
}
