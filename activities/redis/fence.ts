import { createHash, createHmac } from 'node:crypto';
import { fenceRules, type FenceRights } from '../../config/render-users.js';
import { Secret, type SecretResolver } from '../../config/secrets.js';
import { ForgeError } from '../../domain/errors.js';
import { type FenceMark, fenceUserName, standingOf } from '../../domain/fence.js';
import { type DeclaredNode, declaredNodes } from '../../domain/nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { StepToken } from '../../domain/survey.js';
import { userName } from '../../domain/users.js';
import { type Credentials, type NodeConnection, valueOf, withNode } from './connection.js';
import { nodeFailure } from './failure.js';
import { NodeSilent } from './silence.js';

export interface FenceDeps {
  readonly secrets: SecretResolver;
  /** Has these hosts say that the token is the newest; from then on they refuse every older one. @throws ForgeError Fenced, and those of a login */
  readonly confirm: (request: {
    readonly spec: ClusterSpec;
    readonly hosts: readonly string[];
    readonly token: StepToken;
  }) => Promise<void>;
}

export interface FenceRequest {
  readonly spec: ClusterSpec;
  readonly token: StepToken;
  /** Names of declared nodes; all of them where nothing is said. */
  readonly nodes?: readonly string[];
  readonly rights: FenceRights;
}

/**
 * Lets one attempt of one step change nodes, and no older one. On every node it is a user of its own, in memory only; a newer attempt deletes it, which
 * drops its connections. First the users are raised, then the hosts confirm: docs/locks-and-fencing.md argues why in this order no command of
 * an older attempt comes after a newer one's first.
 */
export class Fence {
  readonly #mark: FenceMark;
  readonly #user: string;
  readonly #declared: readonly DeclaredNode[];
  readonly #raised = new Set<DeclaredNode>();

  private constructor(
    private readonly request: FenceRequest,
    private readonly operator: Secret,
    private readonly deps: FenceDeps,
  ) {
    const { spec, token } = request;
    this.#mark = { ...token, step: sha256(token.step).slice(0, 8) };
    this.#user = fenceUserName(this.#mark);
    this.#declared = declaredNodes(spec);
  }

  /** @throws ForgeError Fenced, NodeUnreachable, NodeAuthFailed, SecretUnavailable, and those of a login to a host */
  static async raise(request: FenceRequest, deps: FenceDeps): Promise<Fence> {
    const fence = new Fence(request, await deps.secrets(request.spec.secrets.operator.current), deps);
    await fence.#raiseOn(fence.#declared.filter(({ name }) => request.nodes?.includes(name) ?? true));
    return fence;
  }

  /** Of the user that only this attempt has. */
  get credentials(): Credentials {
    const { uid } = this.request.spec;
    const password = createHmac('sha256', this.operator.reveal()).update(`${uid} ${this.#user}`).digest('hex');
    return { user: this.#user, password: new Secret(password) };
  }

  /** After a node let go of the user, or where it did not have it: it was started anew, or a newer attempt has come. @throws as `raise` */
  async raiseAgain(name: string): Promise<void> {
    await this.#raiseOn(this.#declared.filter((node) => node.name === name));
  }

  /** Takes the user away again. Where a node does not answer, the next attempt or `doctor` does. */
  async lower(): Promise<void> {
    await Promise.allSettled([...this.#raised].map((node) => this.#deleteUsers(node, [this.#user])));
  }

  /** All nodes come to their end, so that a failure leaves no user behind on those that are slower. */
  async #raiseOn(nodes: readonly DeclaredNode[]): Promise<void> {
    const { spec, token } = this.request;
    for (const node of nodes) this.#raised.add(node);
    try {
      const raised = await Promise.allSettled(nodes.map((node) => this.#raiseOnNode(node)));
      for (const outcome of raised) if (outcome.status === 'rejected') throw outcome.reason;
      await this.deps.confirm({ spec, hosts: [...new Set(nodes.map(({ host }) => host))], token });
    } catch (error) {
      await this.lower();
      throw error;
    }
  }

  async #raiseOnNode(node: DeclaredNode): Promise<void> {
    const hash = sha256(this.credentials.password?.reveal() ?? '');
    await this.#asOperator(node, async (connection) => {
      const [made, users] = await connection.pipeline([
        ['ACL', 'SETUSER', this.#user, 'reset', 'on', `#${hash}`, ...fenceRules(this.request.rights)],
        ['ACL', 'USERS'],
      ]);
      valueOf(made);
      const { older, newer } = standingOf(this.#mark, namesIn(valueOf(users)));
      if (newer.length > 0) throw superseded(node, this.request.token);
      if (older.length > 0) await connection.ask('ACL', 'DELUSER', ...older);
    });
  }

  async #deleteUsers(node: DeclaredNode, users: readonly string[]): Promise<void> {
    await this.#asOperator(node, (connection) => connection.ask('ACL', 'DELUSER', ...users));
  }

  async #asOperator<T>(node: DeclaredNode, work: (connection: NodeConnection) => Promise<T>): Promise<T> {
    const { spec } = this.request;
    const credentials = { user: userName(spec, 'operator'), password: this.operator };
    try {
      return await withNode({ ...node, credentials, timeoutMs: spec.timings.redisCommandMs }, work);
    } catch (error) {
      throw nodeFailure(error, node.name);
    }
  }
}

/**
 * Works on one node behind a fence of its own, which is taken down afterwards. Where the node lets go of the user in the middle, the fence is raised once
 * more and the work, which looks before it does anything, is asked again.
 * @throws ForgeError those of `Fence.raise`, and those of `work`
 */
export async function behindFence<T>(
  request: FenceRequest & { readonly nodes: readonly [string] },
  deps: FenceDeps,
  work: (connection: NodeConnection) => Promise<T>,
): Promise<T> {
  const [name] = request.nodes;
  const node = declaredNodes(request.spec).find((declared) => declared.name === name);
  if (node === undefined) throw new Error(`${name} is no node of ${request.spec.name}`);
  const fence = await Fence.raise(request, deps);
  const target = { ...node, credentials: fence.credentials, timeoutMs: request.spec.timings.redisCommandMs };
  try {
    return await withNode(target, work).catch(async (error: unknown) => {
      if (!isLetGo(error)) throw error;
      await fence.raiseAgain(name);
      return withNode(target, work);
    });
  } catch (error) {
    throw nodeFailure(error, name);
  } finally {
    await fence.lower();
  }
}

/** Whether a node has dropped the connection of a fence user, or does not know it any more. */
export function isLetGo(error: unknown): boolean {
  return error instanceof NodeSilent && (error.silence === 'wrong-secret' || /closed|ECONNRESET/.test(error.detail));
}

function namesIn(users: unknown): string[] {
  return Array.isArray(users) ? users.map(String) : [];
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

function superseded({ name }: DeclaredNode, { step, attempt, generation }: StepToken): ForgeError {
  return new ForgeError('Fenced', {
    what: `Attempt ${attempt} of ${step} (generation ${generation}) came too late: on ${name} a newer one is at work.`,
    left: `Nothing was changed on ${name} by this.`,
    next: 'See which operation works on the cluster now: redisforge ops list.',
  });
}
