import { ForgeError } from '../../domain/errors.js';
import { FORMATION_SETTINGS, FORMATION_TUNING, tuningLeft } from '../../domain/formation-tuning.js';
import { type Command, settingOf } from './connection.js';
import type { FormingNodes } from './forming-nodes.js';

interface TuningRequest {
  readonly nodes: FormingNodes;
  readonly names: readonly string[];
  /** The values that the spec wants, by setting; what it says nothing of is not touched. */
  readonly wanted: Readonly<Record<string, string>>;
}

/**
 * Sets what makes forming quick, at run time only; of that the settings in `only`, where it is given.
 * @throws ForgeError NodeUnreachable, NodeAuthFailed
 */
export async function tune({
  nodes,
  names,
  wanted,
  only = Object.keys(FORMATION_TUNING),
}: TuningRequest & { readonly only?: readonly string[] }): Promise<void> {
  const settings = Object.entries(FORMATION_TUNING).filter(
    ([setting]) => wanted[setting] !== undefined && only.includes(setting),
  );
  await Promise.all(names.map((name) => setOn({ nodes, name, settings })));
}

interface TakeBackRequest extends TuningRequest {
  /** Nodes that go on standing in for their masters: what keeps them from taking writes stays. */
  readonly standIns?: readonly string[];
}

/**
 * Sets the spec's values again where a node still runs with those of a formation, and reads them back. A node that does not answer keeps none of
 * the others from being set.
 * @throws ForgeError NodeUnreachable, NodeAuthFailed; NotReached where a node keeps the values of the formation
 */
export async function takeSettingsBack({ names, standIns = [], ...all }: TakeBackRequest): Promise<string[]> {
  const settingsOf = (name: string) => Object.keys(standIns.includes(name) ? FORMATION_TUNING : FORMATION_SETTINGS);
  const perNode = await Promise.allSettled(
    names.map((name) => takeBackOn({ ...all, name, settings: settingsOf(name) })),
  );
  return perNode.flatMap((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

interface OneNode extends Pick<TuningRequest, 'nodes' | 'wanted'> {
  readonly name: string;
  readonly settings: readonly string[];
}

async function takeBackOn(request: OneNode): Promise<string[]> {
  const { nodes, name } = request;
  const left = await readLeft(request);
  if (left.length === 0) return [];
  await setOn({ nodes, name, settings: left.map((drift) => [drift.setting, drift.wanted]) });
  if ((await readLeft(request)).length > 0) throw keptTuned(name);
  return left.map((drift) => `${name}: ${drift.setting} back to ${drift.wanted}`);
}

async function setOn(request: {
  readonly nodes: FormingNodes;
  readonly name: string;
  readonly settings: readonly (readonly [string, string])[];
}): Promise<void> {
  const commands = request.settings.map(([setting, value]): Command => ['CONFIG', 'SET', setting, value]);
  await request.nodes.mustSend(request.name, commands);
}

/** The settings of a formation that the node still runs with. */
async function readLeft({ nodes, name, wanted, settings }: OneNode) {
  const replies = await nodes.mustSend(
    name,
    settings.map((setting): Command => ['CONFIG', 'GET', setting]),
  );
  const running = Object.fromEntries(settings.map((setting, i) => [setting, settingOf(replies[i])]));
  return tuningLeft({ settings: running }, wanted);
}

function keptTuned(name: string): ForgeError {
  return new ForgeError('NotReached', {
    what: `${name} still runs with the settings of a formation (${Object.keys(FORMATION_SETTINGS).join(', ')}).`,
    left: 'Its other settings and the cluster were left as they are.',
    next: 'Run apply again, or set them by hand with CONFIG SET; a restart of the node does the same.',
  });
}
