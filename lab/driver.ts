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
  /** The host's own folder: keys, sshd's files and `root`. */
  readonly home: string;
  /** The folder that RedisForge works in, absolute. */
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

/**
 * How the hosts of a lab are made and what can be done to them. Every function can be asked again, and works from the lab's folder alone:
 * a driver holds nothing in memory that a crash of the program could lose.
 */
export interface LabDriver {
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
}
