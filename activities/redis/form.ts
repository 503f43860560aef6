import { setTimeout as sleep } from 'node:timers/promises';
import { wantedSettings } from '../../config/settings.js';
import { ForgeError } from '../../domain/errors.js';
import {
  type FormationAction,
  type FormationInput,
  type FormationPlan,
  type FormationWanted,
  type FormingNode,
  planFormation,
} from '../../domain/formation.js';
import { standIns } from '../../domain/formation-roles.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { StepResult } from '../../domain/steps.js';
import type { StepToken } from '../../domain/survey.js';
import { Fence, type FenceDeps } from './fence.js';
import { commandOf, effectOf, FormingNodes } from './forming-nodes.js';
import { takeSettingsBack, tune } from './tuning.js';

/** How often the nodes are looked at; each look is one round trip to each. */
const POLL_MS = 10;

export interface FormRequest extends FormationWanted {
  readonly spec: ClusterSpec;
  readonly token: StepToken;
}

export interface Formed extends StepResult {
  /** Redis's own ID of each declared node, by the node's name. */
  readonly identities: Readonly<Record<string, string>>;
  /** From the first command until every master took writes; 0 where nothing was to be done. */
  readonly writableAfterMs: number;
  /** … until all views agreed and every replica was in sync. */
  readonly formedAfterMs: number;
}

export interface FormDeps extends FenceDeps {
  /** Told what goes on, several times a second: a heartbeat. */
  readonly progress?: (what: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Makes one cluster of the declared nodes, from whatever an earlier attempt left, and returns when every node says so. Waits for conditions, at the
 * most `timings.formMs`. The settings that make it quick are taken back before it returns, also where it fails; a node that still
 * stands in for its master (domain/formation-roles.ts) goes on doing so, and takes no writes until the next attempt.
 * @throws ForgeError Refused, NotReached, NodeUnreachable, SecretUnavailable, Fenced
 */
export async function form(request: FormRequest, deps: FormDeps): Promise<Formed> {
  const { spec, token } = request;
  const fence = await Fence.raise({ spec, token, rights: 'steer' }, deps);
  const nodes = new FormingNodes(spec, {
    credentials: fence.credentials,
    raiseAgain: (name) => fence.raiseAgain(name),
  });
  try {
    return await formWith(nodes, request, deps);
  } finally {
    nodes.close();
    await fence.lower();
  }
}

async function formWith(nodes: FormingNodes, request: FormRequest, deps: FormDeps): Promise<Formed> {
  const attempt = new Attempt(nodes, request, deps);
  const wanted = wantedSettings(request.spec);
  const names = declaredNodes(request.spec).map(({ name }) => name);
  const first = await attempt.look();
  if (isDone(first)) {
    const effects = await takeSettingsBack({ nodes, names, wanted });
    return { effects, identities: attempt.identities(), writableAfterMs: 0, formedAfterMs: 0 };
  }
  const startedAt = performance.now();
  let writableAfterMs: number;
  let formedAfterMs: number;
  try {
    await tune({ nodes, names, wanted });
    writableAfterMs = (await attempt.until(takesWrites)) - startedAt;
    formedAfterMs = (await attempt.until(isDone)) - startedAt;
  } catch (error) {
    await standInsAmong(nodes)
      .then((standIns) => takeSettingsBack({ nodes, names, wanted, standIns }))
      .catch(() => undefined);
    throw error;
  }
  await takeSettingsBack({ nodes, names, wanted });
  return { effects: attempt.effects, identities: attempt.identities(), writableAfterMs, formedAfterMs };
}

/** The nodes that have slots in another's place; one that does not answer may be such a one. */
async function standInsAmong(nodes: FormingNodes): Promise<string[]> {
  const seen = await nodes.look();
  const standing = standIns(seen.filter((node): node is FormingNode => node.answered));
  return [...standing, ...seen.filter(({ answered }) => !answered)].map(({ name }) => name);
}

type Judgement = (plan: FormationPlan, nodes: FormationInput['observation']['nodes']) => boolean;

/** A replica says `ok` when it has heard of it; that decides nothing about writes. */
const takesWrites: Judgement = (plan, nodes) =>
  plan.settled &&
  nodes.every((node) => node.answered && (node.replication.role === 'replica' || node.clusterState === 'ok'));

const isDone = (plan: FormationPlan) => plan.settled && plan.waitingFor.length === 0;

/** One run of looking, planning and acting until the nodes are what they should be. */
class Attempt {
  readonly effects: string[] = [];
  readonly #deadline: number;
  #nodes: FormationInput['observation']['nodes'] = [];
  /** The last refusals of nodes, by command: said when the deadline has passed. */
  readonly #refused = new Map<string, string>();

  constructor(
    private readonly cluster: FormingNodes,
    private readonly request: FormRequest,
    private readonly deps: FormDeps,
  ) {
    this.#deadline = performance.now() + request.spec.timings.formMs;
  }

  /** @throws ForgeError Refused where forming would hurt somebody's data */
  async look(): Promise<FormationPlan> {
    this.deps.signal?.throwIfAborted();
    this.#nodes = await this.cluster.look();
    const plan = planFormation({ wanted: this.request, observation: { nodes: this.#nodes } });
    if (plan.refusals.length > 0) throw refused(plan);
    return plan;
  }

  /** Works until the judgement holds, and gives the time at which it did. @throws ForgeError Refused, NotReached */
  async until(holds: Judgement): Promise<number> {
    for (;;) {
      const plan = await this.look();
      const now = performance.now();
      if (holds(plan, this.#nodes)) return now;
      if (now > this.#deadline) throw this.#notReached(plan);
      this.deps.progress?.(plan.waitingFor.slice(0, 3).join('; '));
      await this.#act(plan.actions);
      if (plan.actions.length === 0) await sleep(POLL_MS, undefined, { signal: this.deps.signal });
    }
  }

  identities(): Record<string, string> {
    return Object.fromEntries(this.#nodes.flatMap((node) => (node.answered ? [[node.name, node.id]] : [])));
  }

  /** Kind by kind: epochs can only be set before nodes have met. */
  async #act(actions: readonly FormationAction[]): Promise<void> {
    for (const kinds of [['setConfigEpoch', 'holdWrites', 'addSlots'], ['meet'], ['replicate', 'takeOver']]) {
      const now = actions.filter(({ kind }) => kinds.includes(kind));
      const names = [...new Set(now.map(({ node }) => node))];
      await Promise.all(
        names.map((name) =>
          this.#send(
            name,
            now.filter(({ node }) => node === name),
          ),
        ),
      );
    }
  }

  /** A refused or lost command is no failure: the next look tells what came of it, and the deadline bounds it. */
  async #send(node: string, actions: readonly FormationAction[]): Promise<void> {
    try {
      const capabilities = await this.cluster.capabilitiesOf(node);
      const replies = await this.cluster.send(
        node,
        actions.map((action) => commandOf(action, capabilities)),
      );
      for (const [i, action] of actions.entries()) {
        const reply = replies[i];
        if (reply?.ok === true) this.effects.push(effectOf(action));
        else this.#refused.set(effectOf(action), reply?.error.message ?? 'no reply');
      }
    } catch (error) {
      if (error instanceof ForgeError && error.type === 'Fenced') throw error;
      this.#refused.set(node, error instanceof Error ? error.message : 'it failed');
    }
  }

  #notReached(plan: FormationPlan): ForgeError {
    const refusals = [...this.#refused].map(([command, reply]) => `${command}: ${reply}`);
    const missing = [...plan.waitingFor, ...refusals].slice(0, 8).join('; ');
    return new ForgeError('NotReached', {
      what: `The cluster ${this.request.spec.name} was not formed within ${this.request.spec.timings.formMs} ms: ${missing}.`,
      left: this.effects.length === 0 ? 'Nothing was changed.' : `Done so far: ${this.effects.join('; ')}.`,
      next: 'See whether client and bus ports (port + 10000) are open between all hosts, and run apply again: it goes on from here.',
    });
  }
}

function refused(plan: FormationPlan): ForgeError {
  return new ForgeError('Refused', {
    what: plan.refusals.map(({ what }) => what).join(' '),
    left: 'No node was changed.',
    next: [...new Set(plan.refusals.map(({ next }) => next))].join(' '),
  });
}
