/** The declared cluster, as every part of the product sees it: validated, defaults filled in, no secret in it. */
export interface ClusterSpec {
  readonly apiVersion: 'redisforge/v1';
  readonly name: string;
  /** Identity of the cluster for its whole life. Redis has none of its own; the hosts keep this one in their records. */
  readonly uid: string;
  readonly engine: EngineSpec;
  readonly mode: 'cluster';
  readonly shape: ShapeSpec;
  readonly hosts: readonly HostSpec[];
  readonly install: InstallSpec;
  readonly service: ServiceSpec;
  readonly os: OsSpec;
  readonly redis: RedisSettings;
  readonly persistence: PersistenceSpec;
  readonly moves: MovesSpec;
  /** How slots are to be shared out; `null` where nobody asked, and an uneven share is left as it is. */
  readonly balance: BalanceSpec | null;
  readonly users: UsersSpec;
  readonly secrets: SecretsSpec;
  readonly timings: Timings;
}

export interface EngineSpec {
  readonly kind: 'redis' | 'valkey';
  /** `7.0` or `7.0.15`: what the server says of itself has to begin with these parts. */
  readonly version: string;
}

export interface ShapeSpec {
  readonly masters: number;
  /** Replicas of each master. */
  readonly replicasPerMaster: number;
  /** Replicas beyond those, with whichever master; absent where there are none. */
  readonly extraReplicas?: number;
  /** The named reason for running without any replica; absent where there are replicas. */
  readonly withoutReplicas?: string;
  /** The named reason for letting a master share its zone with its replica; absent where zones are kept apart. */
  readonly sharedZones?: string;
}

export interface HostSpec {
  readonly name: string;
  /** Failure domain. */
  readonly zone: string;
  /** Where clients and the other nodes reach the nodes of this host: an IP address. */
  readonly address: string;
  readonly ssh: SshAccess;
  /** The one folder that everything of RedisForge on this host lives under, absolute. */
  readonly root: string;
  readonly nodes: readonly NodeSpec[];
}

export interface NodeSpec {
  readonly port: number;
  /**
   * It is to leave the cluster, and does not count towards the shape. `drain`: it gives its slots away first, then it is stopped and taken away. `lost`: its
   * host will not come back, and is not asked any more.
   */
  readonly leaving?: 'drain' | 'lost';
}

export interface SshAccess extends SshRoute {
  /** Whether the host helper runs as the login user or, by `sudo -n`, as root. */
  readonly privilege: 'login' | 'sudo';
}

export interface SshRoute extends SshEndpoint {
  readonly jump?: SshEndpoint;
}

export interface SshEndpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly auth: { readonly kind: 'key'; readonly identityFile: string } | { readonly kind: 'agent' };
  readonly hostKeys: HostKeyTrust;
}

/** Pinned lines are `algorithm base64`, as in a known_hosts file without the host name. */
export type HostKeyTrust =
  | { readonly kind: 'pinned'; readonly keys: readonly string[] }
  | { readonly kind: 'knownHosts'; readonly file: string };

/** How the engine's binaries come to a host. `docker` joins this union. */
export type InstallSpec = PreinstalledSpec | ArchiveSpec | PackageSpec;

export interface PreinstalledSpec {
  readonly method: 'preinstalled';
  /** The server program on the hosts, absolute. */
  readonly server: string;
}

/** A tarball of our own choice; versions lie side by side, and each node has a link to its own. */
export interface ArchiveSpec {
  readonly method: 'archive';
  readonly source:
    | { readonly from: 'file'; readonly path: string }
    /** `via`: who fetches it. What the worker fetches goes to the hosts over SSH. */
    | { readonly from: 'url'; readonly url: string; readonly via: 'worker' | 'host' };
  /** Of the tarball, hex. */
  readonly sha256: string;
  /** Path of the server program in it, below its single top folder where it has one. */
  readonly server: string;
}

export interface PackageSpec {
  readonly method: 'package';
  readonly manager: 'apt' | 'dnf';
  readonly name: string;
  /** As the package manager writes it, to the last character: `5:7.0.15-1~deb12u7`. */
  readonly version: string;
  /** The server program that the package brings, absolute. */
  readonly server: string;
  /** A repository beside those that the host has. */
  readonly repository?: PackageRepository;
}

export interface PackageRepository {
  readonly url: string;
  /** Of a Debian repository; empty for dnf. */
  readonly suite: string;
  readonly components: readonly string[];
  /** The vendor's public key: a file of the worker, or the armored text itself. */
  readonly key: { readonly file: string } | { readonly armored: string };
  /** Of the key as it stands there, hex. */
  readonly keySha256: string;
}

/** How a node is kept running. `docker` joins this union. */
export type ServiceSpec =
  | { readonly method: 'process' }
  | {
      /** Instances of a unit of the cluster's own; needs root on the host, by login or by sudo. */
      readonly method: 'systemd';
      /** The account that the nodes run as; made where it is missing. */
      readonly user: string;
    };

/** What becomes of the hosts' own settings (domain/os-profile.ts). */
export interface OsSpec {
  /** `apply` sets and keeps them, `report` says what differs, `off` does not look. */
  readonly profile: 'apply' | 'report' | 'off';
  /** What a host does not allow is named and accepted, or refuses the operation. */
  readonly denied: 'accept' | 'refuse';
}

export interface RedisSettings {
  readonly maxmemoryBytes: number;
  readonly maxmemoryPolicy: string;
  readonly maxclients: number;
  /** Open files a node may have (`ulimit -n`). */
  readonly nofile: number;
  readonly nodeTimeoutMs: number;
  readonly minReplicasToWrite: number;
  readonly minReplicasMaxLagSeconds: number;
  readonly protectedMode: boolean;
  readonly requireFullCoverage: boolean;
  readonly replBacklogBytes: number;
  /** `free`: Redis may give a replica to a master that has none, by itself; pinned for as long as slots or nodes are moved. */
  readonly replicaMigration: 'pinned' | 'free';
  /** Any other directive of redis.conf, by its own name; those that RedisForge owns are refused. */
  readonly extra: Readonly<Record<string, string>>;
}

/** How slots are moved. */
export interface MovesSpec {
  /** `auto`: in one go where both ends can do it, else key by key. `keys`: always key by key. */
  readonly mover: 'auto' | 'keys';
  /** Of all that is moved at a time; `null` for no limit. */
  readonly maxKeysPerSecond: number | null;
  /** The mover slows down where clients would see a 99th percentile above this; `null` for no target. */
  readonly targetP99Ms: number | null;
  /** From this size on a key is named in the plan, and moved alone. */
  readonly bigKeyBytes: number;
  /** `refuse`: a slot with such a key is not moved, and the plan is refused. */
  readonly bigKeys: 'move' | 'refuse';
}

/** The share of each master. */
export interface BalanceSpec {
  /** What is counted: slots, or the memory that their keys take. */
  readonly by: 'slots' | 'memory';
  /** As much a master may be off its share before anything is moved. */
  readonly thresholdPercent: number;
  /** By node name, for the shard that the node is in; 1 where nothing is said. */
  readonly weights: Readonly<Record<string, number>>;
}

export interface PersistenceSpec {
  /** `durable`: nothing is evicted, AOF on. `cache`: may be evicted and lost. */
  readonly data: 'durable' | 'cache';
  readonly appendonly: boolean;
  readonly appendfsync: 'always' | 'everysec' | 'no';
  /** The value of `save`; empty string for none. */
  readonly save: string;
}

export interface UsersSpec {
  readonly app: { readonly name: string; readonly keys: string; readonly channels: string; readonly commands: string };
}

/** `env:NAME`, `file:/absolute/path` or `exec:["/absolute/program","argument"]`; resolved by the process that uses it, never carried. */
export type SecretRef = `env:${string}` | `file:${string}` | `exec:${string}`;

export interface SecretPair {
  readonly current: SecretRef;
  /** The one that a rotation is moving to; both are accepted while it is set. */
  readonly next?: SecretRef;
}

/** Each duty has a secret of its own; the names of the Redis users are in `domain/users.ts`. */
export type Duty = 'operator' | 'replication' | 'app' | 'admin';
export type SecretsSpec = Readonly<Record<Duty, SecretPair>>;

/** All in milliseconds. Tests pass small ones; nothing waits for a literal. */
export interface Timings {
  readonly sshConnectMs: number;
  readonly commandMs: number;
  readonly redisCommandMs: number;
  /** Fetching, unpacking and installing an engine on a host. */
  readonly installMs: number;
  /** A started node has to answer within this. */
  readonly startMs: number;
  /** The cluster has to take writes and replicas have to be in sync within this. */
  readonly formMs: number;
  readonly pollMs: number;
  /** How long slots are moved before the operation looks up: the most that a report of its progress is old. */
  readonly moveBatchMs: number;
  /** A forgotten node is looked for again after this; Redis itself refuses to learn of it again for 60 s. */
  readonly banWindowMs: number;
  /** A worker that has not been heard of for this long is taken for dead, and its activity is given to another. */
  readonly heartbeatMs: number;
  /** How many hosts are worked on at once. */
  readonly hostParallelism: number;
}
