import { isIP } from 'node:net';
import { ForgeError } from '../domain/errors.js';
import type { SpecDraft } from '../config/schema.js';

/** One `user@host[:port],zone=Z[,address=IP][,name=N][,root=FOLDER]`. */
export interface InitHost {
  readonly user: string;
  readonly host: string;
  readonly port: number;
  readonly zone: string;
  readonly name: string;
  /** Where Redis is reached; `null` where it is not the host as given, which then is a name. */
  readonly address: string | null;
  /** The folder that everything lives under; `null` for the spec's. */
  readonly root: string | null;
}

const LOGIN = /^(?<user>[^@,\s]+)@(?:\[(?<six>[0-9a-fA-F:]+)\]|(?<host>[^:,\s[\]]+))(?::(?<port>\d{1,5}))?$/;
const HOST_KEYS = ['zone', 'address', 'name', 'root'];

interface HostText {
  readonly text: string;
  /** Counts from 0 and makes the name where none is given. */
  readonly position: number;
  /** Where it was given, for the message: `--host`. */
  readonly option: string;
  /** The zone where the text says none; without it one has to be said. */
  readonly zone?: string;
}

/** Throws ForgeError BadSpec where the text is not of that form. */
export function parseInitHost({ text, position, option, zone: usual }: HostText): InitHost {
  const [login = '', ...pairs] = text.split(',');
  const groups = LOGIN.exec(login)?.groups;
  const fields = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
  const host = groups?.six ?? groups?.host;
  const zone = fields.get('zone') ?? usual;
  if (groups?.user === undefined || host === undefined || zone === undefined) throw badHost(text, option);
  if ([...fields].some(([key, value]) => !HOST_KEYS.includes(key) || value === '')) throw badHost(text, option);
  return {
    user: groups.user,
    host,
    port: Number(groups.port ?? 22),
    zone,
    name:
      fields.get('name') ??
      (isIP(host) === 0 ? host.split('.')[0] : undefined)?.toLowerCase() ??
      `host-${position + 1}`,
    address: fields.get('address') ?? (isIP(host) === 0 ? null : host),
    root: fields.get('root') ?? null,
  };
}

function badHost(text: string, option: string): ForgeError {
  return new ForgeError('BadSpec', {
    what: `${option === '' ? '' : `${option} `}${text} is not understood.`,
    left: 'Nothing was written.',
    next: 'Write it as user@host[:port],zone=ZONE, with ,address=IP where Redis is reached at another address and ,name=NAME and ,root=FOLDER for a name and a folder of your own.',
  });
}

export interface InitChoices {
  readonly name: string;
  readonly uid: string;
  readonly engine: { readonly kind: 'redis' | 'valkey'; readonly version: string };
  /** Absent: as many as the nodes allow. */
  readonly masters?: number;
  readonly replicasPerMaster: number;
  readonly sharedZones?: string;
  readonly withoutReplicas?: string;
  readonly firstPort: number;
  readonly nodesPerHost: number;
  readonly login: { readonly identityFile: string } | { readonly agent: true };
  /** By duty. */
  readonly secrets: SpecDraft['secrets'];
  readonly hosts: readonly (InitHost & { readonly address: string; readonly hostKey: string })[];
}

/** The spec that `init` writes. */
export function draftSpec(choices: InitChoices): SpecDraft {
  const { name, uid, engine, hosts, replicasPerMaster, firstPort, nodesPerHost, login, secrets } = choices;
  const user = hosts[0]?.user;
  const ports = Array.from({ length: nodesPerHost }, (_, i) => firstPort + i);
  const masters = choices.masters ?? Math.floor((hosts.length * nodesPerHost) / (1 + replicasPerMaster));
  return {
    apiVersion: 'redisforge/v1',
    name,
    uid,
    engine,
    shape: {
      masters,
      replicasPerMaster,
      ...(choices.withoutReplicas === undefined ? {} : { withoutReplicas: choices.withoutReplicas }),
      ...(choices.sharedZones === undefined ? {} : { sharedZones: choices.sharedZones }),
    },
    // Nodes are run by systemd where nothing else is said, which takes root or the way to it.
    ssh: { ...(user === undefined ? {} : { user }), ...(user === 'root' ? {} : { sudo: true }), ...login },
    hosts: hosts.map((host) => ({
      name: host.name,
      zone: host.zone,
      address: host.address,
      ...(host.root === null ? {} : { root: host.root }),
      ssh: {
        ...(host.user === user ? {} : { user: host.user }),
        ...(host.host === host.address ? {} : { host: host.host }),
        ...(host.port === 22 ? {} : { port: host.port }),
        hostKeys: [host.hostKey],
      },
      nodes: ports,
    })),
    secrets,
  };
}
