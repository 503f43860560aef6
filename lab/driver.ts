/** One host of a lab: what it takes to reach it, and where its files are. No secret in it. */
export interface LabHost {
  readonly name: string;
  /** Failure domain. */
  readonly zone: string;
  readonly address: string;
  readonly sshPort: number;
  readonly user: string;
  /** The lab's client key, which every host of the lab accepts. */
  readonly identityFile: string;
  /** The host's own folder on this machine: keys and what the driver keeps for it. */
  readonly home: string;
  /** The folder on the host that RedisForge works in, absolute. */
  readonly root: string;
  readonly nodePorts: readonly number[];
}

export type HostState = 'running' | 'frozen' | 'stopped';

/** What a lab is to look like. */
export interface LabShape {
  readonly hosts: number;
  readonly zones: number;
  readonly nodesPerHost: number;
}

export interface LabEngine {
  /** Absolute path of redis-server on the hosts. */
  readonly server: string;
  /** `7.0`: the first two parts of what the program says of itself. */
  readonly version: string;
}

export const LAB_DRIVERS = ['process', 'container'] as const;
export type LabDriverName = (typeof LAB_DRIVERS)[number];

/**
 * How the hosts of a lab are made and what can be done to them. Every function can be asked again, and works from the lab's folder alone:
 * a driver holds nothing in memory that a crash of the program could lose.
 */
export interface LabDriver {
  readonly name: LabDriverName;
  /** The Redis that the hosts come with. */
  engine(): Promise<LabEngine>;
  /** Chooses names, addresses and ports of new hosts under `dir`; changes nothing. */
  plan(dir: string, shape: LabShape): Promise<LabHost[]>;
  /** Makes the host's files and keys where they are missing. */
  prepare(host: LabHost): Promise<void>;
  /** Boots a host that is stopped; returns when a login works. Nothing happens to one that runs. */
  start(host: LabHost): Promise<void>;
  /** An orderly shutdown: everything gets SIGTERM and `graceMs` to end. */
  stop(host: LabHost, graceMs: number): Promise<void>;
  /** The power is cut: everything is gone at once. */
  kill(host: LabHost): Promise<void>;
  /** The host hangs: its ports are open and nothing answers. */
  freeze(host: LabHost): Promise<void>;
  thaw(host: LabHost): Promise<void>;
  stateOf(host: LabHost): Promise<HostState>;
  /** The public key that the host shows, `algorithm base64`. */
  hostKey(host: LabHost): Promise<string>;
  /** Ends everything that any host of the lab in `dir` runs, whether or not the lab's own record survived. */
  endAll(dir: string): Promise<void>;
  /** What only hosts with a system, a network and a disk of their own can suffer; `null` where hosts have none. */
  readonly faults: LabFaults | null;
}

export interface LabFaults {
  /** An orderly reboot: down as by `stop`, up as by `start`. */
  reboot(host: LabHost, graceMs: number): Promise<void>;
  /** Packets are lost in silence from now on, also after a reboot, until it is mended. */
  cut(cut: Cut): Promise<void>;
  /** Takes back this one cut, and no other. */
  mend(cut: Cut): Promise<void>;
  /** Takes back every cut that these hosts know of. */
  heal(hosts: readonly LabHost[]): Promise<void>;
  /** Whether anything is cut at this host's end. */
  isCut(host: LabHost): Promise<boolean>;
  /** The disk under the host's root folder has `leaveBytes` left, whatever it had before; it is as full after a reboot. */
  fillDisk(request: { readonly host: LabHost; readonly leaveBytes: number }): Promise<void>;
  /** Takes back what `fillDisk` did. */
  freeDisk(host: LabHost): Promise<void>;
}

export type Cut =
  | { readonly kind: 'pair'; readonly hosts: readonly [LabHost, LabHost] }
  /** What `from` sends does not reach `to`; the other way is open. */
  | { readonly kind: 'oneWay'; readonly from: LabHost; readonly to: LabHost }
  /** One host from the others; this machine still reaches it. */
  | { readonly kind: 'others'; readonly host: LabHost; readonly others: readonly LabHost[] }
  /** One host from everything, this machine included. */
  | { readonly kind: 'everything'; readonly host: LabHost };
