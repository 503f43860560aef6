import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeError } from '../../domain/errors.js';
import { nodeName } from '../../domain/nodes.js';
import { type InfoFields, parseInfo, readServerInfo } from '../../domain/parse-info.js';
import { hazardOf } from '../../domain/setting-hazards.js';
import { changeText, sameSetting, type SettingChange, shownValue } from '../../domain/settings.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { StepResult } from '../../domain/steps.js';
import type { StepToken } from '../../domain/survey.js';
import { type NodeConnection, textOf } from './connection.js';
import { refusalOf } from './failure.js';
import { behindFence, type FenceDeps } from './fence.js';

export interface SettingsStep {
  readonly spec: ClusterSpec;
  readonly host: string;
  readonly port: number;
  readonly token: StepToken;
  /** Set in this order. */
  readonly settings: readonly SettingChange[];
}

/**
 * Sets these settings on one running node, one after the other, and reads each back; one that is as wanted already is left. What Redis sets only at its
 * start is no failure and is said.
 * @throws ForgeError PlanChanged where somebody set another value since the plan, Refused where lowering a limit would hurt now, CommandFailed where Redis refuses a value, NotReached where it has no effect,
 * NodeUnreachable, NodeAuthFailed, SecretUnavailable, Fenced
 */
export async function setSettings(step: SettingsStep, deps: FenceDeps): Promise<StepResult> {
  const { spec, token } = step;
  const node = nodeName(step.host, step.port);
  return behindFence({ spec, token, nodes: [node], rights: 'steer' }, deps, async (connection) => {
    const setter = new Setter({ spec, node, connection });
    for (const change of step.settings) await setter.set(change);
    return { effects: setter.effects };
  });
}

/** Refusals that are about the moment and not the value: the second one is of a maxclients above the open files that the process was started with. */
const ONLY_AT_START = /can't set (immutable|protected) config|not able to handle the specified number of clients/;

interface SetterOptions {
  readonly spec: ClusterSpec;
  readonly node: string;
  readonly connection: NodeConnection;
}

/** The settings of one node, with what was done to them so far. */
class Setter {
  readonly effects: string[] = [];

  constructor(private readonly options: SetterOptions) {}

  async set(change: SettingChange): Promise<void> {
    const { node } = this.options;
    const done = `${node}: ${changeText(change)}`;
    const found = await this.#read(change.setting);
    if (sameSetting(found, change.wanted)) {
      await this.#finish(change);
      this.effects.push(`${done}, found as wanted`);
      return;
    }
    if (!sameSetting(found, change.running)) throw this.#changedMeanwhile(change, found);
    await this.#refuseHazard(change);
    const taken = await this.#send(change);
    if (taken === 'at-start') {
      this.effects.push(`${done} only by a restart: Redis does not take it while it runs`);
      return;
    }
    const after = await this.#read(change.setting);
    if (!sameSetting(after, change.wanted)) throw this.#noEffect(change, after);
    await this.#finish(change);
    this.effects.push(done);
  }

  async #send({ setting, wanted }: SettingChange): Promise<'taken' | 'at-start'> {
    const [reply] = await this.options.connection.pipeline([['CONFIG', 'SET', setting, wanted]]);
    if (reply?.ok === true) return 'taken';
    const words = refusalOf(reply, this.options.node);
    if (ONLY_AT_START.test(words)) return 'at-start';
    throw new ForgeError('CommandFailed', {
      what: `${this.options.node} refuses ${setting} ${shownValue(wanted)}: ${words}.`,
      left: this.#left(),
      next: 'Correct the value in the spec and run apply again.',
    });
  }

  /** Asked again right before: what a node has in use changes from second to second. */
  async #refuseHazard(change: SettingChange): Promise<void> {
    const { node, spec } = this.options;
    const load = { name: node, ...readServerInfo(await this.#info()) };
    const hazard = hazardOf({ change, node: load, policy: spec.redis.maxmemoryPolicy });
    if (hazard === null) return;
    throw new ForgeError('Refused', { ...hazard, left: this.#left() });
  }

  /** An append-only log that was switched on holds the data only when its first rewrite is over; a start before that would find it empty. */
  async #finish({ setting, wanted }: SettingChange): Promise<void> {
    if (setting !== 'appendonly' || wanted !== 'yes') return;
    const { node, spec } = this.options;
    const deadline = performance.now() + spec.timings.formMs;
    for (let info = await this.#info(); isRewriting(info); info = await this.#info()) {
      if (performance.now() > deadline) {
        throw new ForgeError('NotReached', {
          what: `${node} has not written its append-only log within ${spec.timings.formMs} ms.`,
          left: `The log is switched on and goes on being written; the node's files were left as they are.`,
          next: 'Look at its log for the rewrite, and run apply again when it is over.',
        });
      }
      await sleep(spec.timings.pollMs);
    }
  }

  async #read(setting: string): Promise<string> {
    const reply = await this.options.connection.ask('CONFIG', 'GET', setting);
    const value: unknown = Array.isArray(reply) ? reply[1] : undefined;
    if (typeof value === 'string') return value;
    throw new ForgeError('CommandFailed', {
      what: `${this.options.node} does not know the setting ${setting}.`,
      left: this.#left(),
      next: 'Take it out of the spec, or install a version that has it.',
    });
  }

  async #info(): Promise<InfoFields> {
    const [reply] = await this.options.connection.pipeline([['INFO']]);
    return parseInfo(textOf(reply));
  }

  /** Not only a person: an attempt that was held up must not undo what came after it. */
  #changedMeanwhile({ setting, running }: SettingChange, found: string): ForgeError {
    return new ForgeError('PlanChanged', {
      what: `${this.options.node} ran with ${setting} ${shownValue(running)} when the plan was made, and now says ${shownValue(found)}.`,
      left: this.#left(),
      next: 'Run the same command again and read the new plan.',
    });
  }

  #noEffect(change: SettingChange, after: string): ForgeError {
    return new ForgeError('NotReached', {
      what: `${this.options.node} accepted ${change.setting} ${shownValue(change.wanted)} and still says ${shownValue(after)}.`,
      left: this.#left(),
      next: 'Write the value in the spec as CONFIG GET prints it, and run apply again.',
    });
  }

  #left(): string {
    const before = this.effects.length === 0 ? '' : `Done before: ${this.effects.join('; ')}. `;
    return `${before}The other settings and the files of the node were left as they are.`;
  }
}

function isRewriting(info: InfoFields): boolean {
  const unfinished = ['aof_rewrite_in_progress', 'aof_rewrite_scheduled'].some((field) => info.get(field) === '1');
  return unfinished || info.get('aof_last_bgrewrite_status') !== 'ok';
}
