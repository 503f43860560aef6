import { randomBytes } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import { programOf } from '../domain/secret-ref.js';
import type { ClusterSpec, Duty, SecretPair, SecretRef } from '../domain/spec.js';
import { type Found, fromEnvironment, fromFile, fromProgram } from './secret-sources.js';
import { weaknessOf } from './secret-strength.js';

const HIDDEN = '[secret]';

/** A resolved secret. It shows itself to nobody who does not ask for it by `reveal`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return HIDDEN;
  }
}

/** Throws ForgeError SecretUnavailable. */
export type SecretResolver = (ref: SecretRef) => Promise<Secret>;

export type NodeSecrets = Readonly<Record<Duty, { readonly current: Secret; readonly next?: Secret }>>;

export interface SecretSource {
  readonly env: NodeJS.ProcessEnv;
  /** This machine's name in messages, so that a person knows where a file is missing. */
  readonly machine: string;
  /** `any` lets weak ones through: the secret of somebody else's cluster is what it is. */
  readonly strength?: 'strong' | 'any';
  /** How long the program of an `exec:` reference may take. */
  readonly programDeadlineMs?: number;
}

/** A password manager that has to ask its server; a step has several times this. */
const PROGRAM_DEADLINE_MS = 10_000;

/** Resolves references on this machine, each time anew: what was changed there counts at once, and nothing is kept in memory. */
export function createSecretResolver(source: SecretSource): SecretResolver {
  const { machine, strength = 'strong' } = source;
  const find = finder(source);
  return async (ref) => {
    const unavailable = (reason: string, next: string) =>
      new ForgeError('SecretUnavailable', {
        what: `On ${machine}, the secret ${ref} ${reason}.`,
        left: 'Nothing was done with it.',
        next,
      });
    const value = await find(ref);
    if ('missing' in value) throw unavailable(value.missing, value.next);
    const weakness = strength === 'any' ? null : weaknessOf(value.text);
    if (weakness !== null) {
      throw unavailable(weakness, 'Put a random one there, such as `openssl rand -base64 32` prints.');
    }
    return new Secret(value.text);
  };
}

/** A program is run once for all who ask for it at the same moment: a plan of thirty nodes does not start it thirty times. */
function finder({ env, programDeadlineMs = PROGRAM_DEADLINE_MS }: SecretSource): (ref: SecretRef) => Promise<Found> {
  const running = new Map<SecretRef, Promise<Found>>();
  return async (ref) => {
    const program = programOf(ref);
    if (program === null) return ref.startsWith('env:') ? fromEnvironment(env, ref.slice(4)) : fromFile(ref.slice(5));
    const found = running.get(ref) ?? fromProgram(program, { env, deadlineMs: programDeadlineMs });
    running.set(ref, found);
    try {
      return await found;
    } finally {
      running.delete(ref);
    }
  };
}

/** All secrets that a node's files need. Refuses two duties with one secret: whoever has one would have both. */
export async function resolveSecrets({
  spec,
  resolve,
}: {
  spec: ClusterSpec;
  resolve: SecretResolver;
}): Promise<NodeSecrets> {
  const pair = async ({ current, next }: SecretPair) => ({
    current: await resolve(current),
    ...(next === undefined ? {} : { next: await resolve(next) }),
  });
  const [operator, replication, app, admin] = await Promise.all([
    pair(spec.secrets.operator),
    pair(spec.secrets.replication),
    pair(spec.secrets.app),
    pair(spec.secrets.admin),
  ]);
  const secrets: NodeSecrets = { operator, replication, app, admin };
  refuseShared(secrets);
  return secrets;
}

function refuseShared(secrets: NodeSecrets): void {
  const dutyOf = new Map<string, string>();
  for (const [duty, { current, next }] of Object.entries(secrets)) {
    for (const secret of next === undefined ? [current] : [current, next]) {
      const other = dutyOf.get(secret.reveal());
      if (other !== undefined && other !== duty) {
        throw new ForgeError('SecretUnavailable', {
          what: `The users for ${other} and ${duty} have the same secret.`,
          left: 'Nothing was done with it.',
          next: 'Give each duty a secret of its own: whoever has one would have both.',
        });
      }
      dutyOf.set(secret.reveal(), duty);
    }
  }
}

/** Makes a file with a fresh random secret, mode 600, and its folder, mode 700. A file that is there is kept as it is. */
export async function makeSecretFile(path: string): Promise<'made' | 'kept'> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`${randomBytes(32).toString('base64url')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    return 'made';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return 'kept';
    throw error;
  }
}
