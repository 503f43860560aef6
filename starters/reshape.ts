import type { LoadedSpec } from '../config/load.js';
import { ForgeError } from '../domain/errors.js';
import type { Goal } from '../domain/goal.js';
import { leavingRefusal } from '../domain/leaving-refusal.js';
import type { OperationKind } from '../domain/plan.js';
import type { Reshaped } from '../domain/scaling.js';
import type { ClusterSpec } from '../domain/spec.js';
import type { NewHost } from '../domain/spec-edit.js';
import type { ExitCode } from './exit.js';
import { addressOf, confirmKeys, type ShownHost, shownKeys } from './host-keys.js';
import type { InitHost } from './init-draft.js';
import type { CliIo } from './io.js';
import type { OperationOptions } from './run-operation.js';

export interface ReshapeRequest {
  readonly io: CliIo;
  readonly kind: Extract<OperationKind, 'scale' | 'replace'>;
  readonly loaded: LoadedSpec;
  readonly options: OperationOptions;
  readonly reshaped: Reshaped;
}

/** Takes a cluster to the spec that a verb makes of its own. */
export async function reshape({ io, kind, loaded, options, reshaped }: ReshapeRequest): Promise<ExitCode> {
  const { edits, attach } = possible(reshaped);
  const [{ draftApply }, { runOperationFromCli }, { specFile }] = await Promise.all([
    import('./draft.js'),
    import('./run-operation.js'),
    import('./spec-file.js'),
  ]);
  const file = specFile(loaded, edits, io.env);
  const { spec } = file.working;
  const goal: Goal = attach.length === 0 ? { kind: 'spec' } : { kind: 'spec', attach };
  const ports = options.yes === true ? 'leave' : 'examine';
  return runOperationFromCli({
    ...{ io, kind, spec, options, file },
    draft: async () => {
      const { plan, verdict } = await draftApply({
        env: io.env,
        spec,
        ports,
        operation: kind,
        goal,
        waiting: (line) => io.err(line),
      });
      const refusal = verdict === null ? null : leavingRefusal(spec, verdict.nodes);
      if (refusal !== null) throw new ForgeError('Refused', { ...refusal, left: 'Nothing was started or changed.' });
      return { plan, goal };
    },
  });
}

/** Throws ForgeError Refused where it is not. */
export function possible(reshaped: Reshaped): Extract<Reshaped, { edits: unknown }> {
  if ('edits' in reshaped) return reshaped;
  const { problem: what, next } = reshaped;
  throw new ForgeError('Refused', { what, left: 'Nothing was started or changed.', next });
}

/** New hosts with their keys, which are shown and confirmed; where the spec trusts a known_hosts file, that one has to know them. */
export async function newHosts(
  io: CliIo,
  {
    spec,
    hosts,
    ports,
    yes,
  }: { spec: ClusterSpec; hosts: readonly InitHost[]; ports: readonly number[]; yes: boolean },
): Promise<NewHost[]> {
  if (hosts.length === 0) return [];
  const files = spec.hosts.flatMap(({ ssh: { hostKeys } }) => (hostKeys.kind === 'knownHosts' ? [hostKeys.file] : []));
  if (files.length === spec.hosts.length) {
    io.err(`The spec trusts the host keys in ${[...new Set(files)].join(', ')}: the new host's has to be there.`);
    const found = await Promise.all(hosts.map(async (host) => ({ ...host, address: await addressOf(host) })));
    return found.map((host) => newHost({ ...host, hostKey: null }, ports));
  }
  const shown = await shownKeys(hosts);
  await confirmKeys(io, shown, yes);
  return shown.map((host) => newHost(host, ports));
}

function newHost(shown: Omit<ShownHost, 'hostKey'> & { hostKey: string | null }, ports: readonly number[]): NewHost {
  const { name, zone, address, root, user, host, port, hostKey } = shown;
  return { name, zone, address, ports, ...(root === null ? {} : { root }), login: { user, host, port, hostKey } };
}
