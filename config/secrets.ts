import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import type { ClusterSpec, Duty, SecretPair, SecretRef } from '../domain/spec.js';
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
}

/** Resolves references on this machine. */
export function createSecretResolver({ env, machine, strength = 'strong' }: SecretSource): SecretResolver {
  return async (ref) => {
    const unavailable = (reason: string, next: string) =>
      new ForgeError('SecretUnavailable', {
        what: `On ${machine}, the secret ${ref} ${reason}.`,
        left: 'Nothing was done with it.',
        next,
      });
    const value = ref.startsWith('env:') ? fromEnvironment(env, ref.slice(4)) : await fromFile(ref.slice(5));
    if ('missing' in value) throw unavailable(value.missing, value.next);
    const weakness = strength === 'any' ? null : weaknessOf(value.text);
    if (weakness !== null) {
      throw unavailable(weakness, 'Put a random one there, such as `openssl rand -base64 32` prints.');
    }
    return new Secret(value.text);
  };
}

type Found = { readonly text: string } | { readonly missing: string; readonly next: string };

function fromEnvironment(env: NodeJS.ProcessEnv, name: string): Found {
  const text = env[name];
  return text === undefined
    ? { missing: 'is not set', next: `Set ${name} in the environment of this process.` }
    : { text: withoutEnd(text) };
}

async function fromFile(path: string): Promise<Found> {
  try {
    return {
      text: withoutEnd(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(path))),
    };
  } catch (error) {
    if (error instanceof TypeError) {
      return { missing: 'is not UTF-8 text', next: 'Keep binary secrets as base64 or hex.' };
    }
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return { missing: `cannot be read (${code})`, next: `Put the file there, readable for the user of this process.` };
  }
}

/** Trailing newlines and NULs go, as they do in a shell's `$(cat file)`: people and we see the same secret. */
function withoutEnd(text: string): string {
  return text.replace(/[\n\0]+$/, '');
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
