import { wantedSettings } from '../../../config/settings.js';
import { ForgeError } from '../../../domain/errors.js';
import { pinLeft, pinOf } from '../../../domain/pinning.js';
import type { PinReplicasStep } from '../../../domain/reshape-steps.js';
import { changeText, type SettingChange } from '../../../domain/settings.js';
import type { StepResult } from '../../../domain/steps.js';
import { settingOf } from '../connection.js';
import { refusalOf } from '../failure.js';
import { Fence, type FenceDeps } from '../fence.js';
import { asOperator } from '../operator.js';
import { OpenNodes } from '../open-nodes.js';

/** What is to be changed on a node that runs with this value; `null` where nothing is. */
type Change = (running: string) => SettingChange | null;

/**
 * Keeps Redis from moving replicas by itself on these nodes, at run time only, and reads it back: a restart brings the file's value. A node that is pinned
 * already is left.
 * @throws ForgeError CommandFailed, NotReached where a node keeps another value, NodeUnreachable, NodeAuthFailed, SecretUnavailable, Fenced
 */
export async function pinReplicas(step: PinReplicasStep, deps: FenceDeps): Promise<StepResult> {
  const pin = pinOf(wantedSettings(step.spec));
  if (pin === null) return { effects: [] };
  const { setting, pinned } = pin;
  const change: Change = (running) => (running === pinned ? null : { setting, running, wanted: pinned });
  return { effects: await changeOn(step, step.nodes, { setting, change }, deps) };
}

/**
 * Gives these nodes the value that the spec wants again, where they are pinned. Those that do not answer keep none of the others from it, and are named in
 * the end.
 * @throws as `pinReplicas`
 */
export async function unpinReplicas(step: PinReplicasStep, deps: FenceDeps): Promise<StepResult> {
  const wanted = wantedSettings(step.spec);
  const pin = pinOf(wanted);
  if (pin === null || pin.wanted === pin.pinned) return { effects: [] };
  const { setting } = pin;
  const silent = await silentOf(step, deps);
  const answering = step.nodes.filter((node) => !silent.has(node));
  const change: Change = (running) => pinLeft({ settings: { [setting]: running } }, wanted);
  const effects = await changeOn(step, answering, { setting, change }, deps);
  for (const error of silent.values()) throw error;
  return { effects };
}

/** Nodes that do not answer the operator, with how that is said. @throws ForgeError SecretUnavailable */
async function silentOf({ spec, nodes }: PinReplicasStep, { secrets }: FenceDeps): Promise<Map<string, ForgeError>> {
  await secrets(spec.secrets.operator.current);
  const asked = nodes.map(async (node): Promise<[string, ForgeError][]> => {
    try {
      await asOperator({ spec, node, secrets }, (connection) => connection.ask('PING'));
      return [];
    } catch (error) {
      if (error instanceof ForgeError && error.type === 'NodeUnreachable') return [[node, error]];
      throw error;
    }
  });
  return new Map((await Promise.all(asked)).flat());
}

interface Wish {
  readonly setting: string;
  readonly change: Change;
}

/** All nodes come to their end before the first failure is told. */
async function changeOn(
  { spec, token }: PinReplicasStep,
  names: readonly string[],
  wish: Wish,
  deps: FenceDeps,
): Promise<string[]> {
  if (names.length === 0) return [];
  const fence = await Fence.raise({ spec, token, nodes: names, rights: 'steer' }, deps);
  const access = { credentials: fence.credentials, raiseAgain: (name: string) => fence.raiseAgain(name) };
  const nodes = new OpenNodes({ spec, access });
  try {
    const outcomes = await Promise.allSettled(names.map((name) => changeNode(nodes, name, wish)));
    return outcomes.flatMap((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  } finally {
    nodes.close();
    await fence.lower();
  }
}

async function changeNode(nodes: OpenNodes, name: string, { setting, change }: Wish): Promise<string[]> {
  const read = async () => settingOf((await nodes.mustSend(name, [['CONFIG', 'GET', setting]]))[0]);
  const before = change(await read());
  if (before === null) return [];
  const [reply] = await nodes.mustSend(name, [['CONFIG', 'SET', setting, before.wanted]]);
  if (reply?.ok !== true) {
    throw new ForgeError('CommandFailed', {
      what: `${name} refuses ${changeText(before)}: ${refusalOf(reply, name)}.`,
      left: 'The node was left as it is; slots and members were not touched.',
      next: 'See which version the node runs: the spec says which one it should.',
    });
  }
  const after = await read();
  if (change(after) === null) return [`${name}: ${changeText(before)}`];
  throw new ForgeError('NotReached', {
    what: `${name} accepted ${changeText(before)} and still says ${after}.`,
    left: 'Slots and members were not touched.',
    next: 'See who else sets it (CONFIG SET), and run the same again.',
  });
}
