import { ForgeError } from '../../domain/errors.js';
import { FORMATION_TUNING, tuningLeft } from '../../domain/formation-tuning.js';
import type { Command, Reply } from './connection.js';
import type { FormingNodes } from './forming-nodes.js';

interface TuningRequest {
  readonly nodes: FormingNodes;
  readonly names: readonly string[];
  /** The values that the spec wants, by setting; what it says nothing of is not touched. */
  readonly wanted: Readonly<Record<string, string>>;
}

/** Sets what makes forming quick, at run time only. @throws ForgeError NodeUnreachable, NodeAuthFailed */
export async function tune({ nodes, names, wanted }: TuningRequest): Promise<void> {
  const settings = Object.entries(FORMATION_TUNING).filter(([setting]) => wanted[setting] !== undefined);
  await setOnAll({ nodes, names, settings });
}

/**
 * Sets the spec's values again where a node still runs with those of a formation, and reads them back.
 * @throws ForgeError NotReached where a node keeps the low values
 */
export async function takeTuningBack({ nodes, names, wanted }: TuningRequest): Promise<string[]> {
  const before = await readTuned({ nodes, names, wanted });
  const effects = await Promise.all(
    [...before].map(async ([name, left]) => {
      const settings = left.map((drift): [string, string] => [drift.setting, drift.wanted]);
      await setOnAll({ nodes, names: [name], settings });
      return settings.map(([setting, value]) => `${name}: ${setting} back to ${value}`);
    }),
  );
  const after = await readTuned({ nodes, names, wanted });
  if (after.size > 0) throw keptLow([...after.keys()]);
  return effects.flat();
}

async function setOnAll(request: {
  readonly nodes: FormingNodes;
  readonly names: readonly string[];
  readonly settings: readonly (readonly [string, string])[];
}): Promise<void> {
  const commands = request.settings.map(([setting, value]): Command => ['CONFIG', 'SET', setting, value]);
  await Promise.all(request.names.map((name) => request.nodes.mustSend(name, commands)));
}

/** The nodes that run with values of a formation, with these settings. */
async function readTuned({ nodes, names, wanted }: TuningRequest) {
  const settings = Object.keys(FORMATION_TUNING);
  const commands = settings.map((setting): Command => ['CONFIG', 'GET', setting]);
  const perNode = await Promise.all(
    names.map(async (name) => {
      const replies = await nodes.mustSend(name, commands);
      const running = Object.fromEntries(settings.map((setting, i) => [setting, configValue(replies[i])]));
      return [name, tuningLeft({ settings: running }, wanted)] as const;
    }),
  );
  return new Map(perNode.filter(([, left]) => left.length > 0));
}

function configValue(reply: Reply | undefined): string {
  const pair: unknown = reply?.ok === true ? reply.value : [];
  return Array.isArray(pair) && typeof pair[1] === 'string' ? pair[1] : '';
}

function keptLow(names: readonly string[]): ForgeError {
  return new ForgeError('NotReached', {
    what: `${names.join(', ')} still run with the settings of a formation (${Object.keys(FORMATION_TUNING).join(', ')}).`,
    left: 'The cluster is formed.',
    next: 'Run apply again, or set them by hand with CONFIG SET; a restart of the node does the same.',
  });
}
