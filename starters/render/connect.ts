import { programOf } from '../../domain/secret-ref.js';
import type { SecretRef } from '../../domain/spec.js';

export interface Connection {
  readonly nodes: readonly { readonly address: string; readonly port: number }[];
  readonly user: string;
  readonly secret: SecretRef;
}

/** How a client takes the secret from where its reference says: an expression, and what it has to import for that. */
interface Taken {
  readonly expression: string;
  readonly imports: readonly string[];
}

/** Ready to paste, for three clients. Each takes the secret from where its reference says; none shows it. */
export function connectSnippets(
  connection: Connection,
): { readonly client: string; readonly lines: readonly string[] }[] {
  return [
    { client: 'redis-cli', lines: redisCli(connection) },
    { client: 'ioredis', lines: ioredis(connection) },
    { client: 'redis-py', lines: redisPy(connection) },
  ];
}

function redisCli({ nodes, user, secret }: Connection): string[] {
  return nodes
    .slice(0, 1)
    .map(
      ({ address, port }) =>
        `REDISCLI_AUTH=${inShell(secret)} redis-cli -c -h ${address} -p ${port} --user ${shellQuoted(user)}`,
    );
}

function ioredis({ nodes, user, secret }: Connection): string[] {
  const { expression, imports } = inJavaScript(secret);
  return [
    `import { Cluster } from 'ioredis';`,
    ...imports,
    `const password = ${expression};`,
    `const nodes = [${nodes.map(({ address, port }) => `{ host: '${address}', port: ${port} }`).join(', ')}];`,
    `const cluster = new Cluster(nodes, { redisOptions: { username: ${JSON.stringify(user)}, password } });`,
  ];
}

function redisPy({ nodes, user, secret }: Connection): string[] {
  const { expression, imports } = inPython(secret);
  return [
    'from redis.cluster import ClusterNode, RedisCluster',
    ...imports,
    `password = ${expression}`,
    `nodes = [${nodes.map(({ address, port }) => `ClusterNode("${address}", ${port})`).join(', ')}]`,
    `cluster = RedisCluster(startup_nodes=nodes, username=${JSON.stringify(user)}, password=password)`,
  ];
}

function inShell(secret: SecretRef): string {
  const run = programOf(secret);
  if (run !== null) return `"$(${[run.program, ...run.args].map(shellQuoted).join(' ')})"`;
  return secret.startsWith('env:') ? `"$${nameIn(secret)}"` : `"$(cat ${shellQuoted(nameIn(secret))})"`;
}

function inJavaScript(secret: SecretRef): Taken {
  const run = programOf(secret);
  if (run !== null) {
    const vector = `${JSON.stringify(run.program)}, ${JSON.stringify(run.args)}`;
    return {
      expression: `execFileSync(${vector}, { encoding: 'utf8' }).replace(/\\n+$/, '')`,
      imports: [`import { execFileSync } from 'node:child_process';`],
    };
  }
  const name = JSON.stringify(nameIn(secret));
  if (secret.startsWith('env:')) return { expression: `process.env[${name}]`, imports: [] };
  return {
    expression: `readFileSync(${name}, 'utf8').replace(/[\\n\\0]+$/, '')`,
    imports: [`import { readFileSync } from 'node:fs';`],
  };
}

/** What JSON writes is a literal of Python as well. */
function inPython(secret: SecretRef): Taken {
  const run = programOf(secret);
  if (run !== null) {
    const vector = JSON.stringify([run.program, ...run.args]);
    return { expression: `subprocess.check_output(${vector}).decode().rstrip("\\n")`, imports: ['import subprocess'] };
  }
  const name = JSON.stringify(nameIn(secret));
  if (secret.startsWith('env:')) return { expression: `os.environ[${name}]`, imports: ['import os'] };
  return { expression: `open(${name}, encoding="utf-8", newline="").read().rstrip("\\n\\0")`, imports: [] };
}

function nameIn(secret: SecretRef): string {
  return secret.slice(secret.indexOf(':') + 1);
}

function shellQuoted(text: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll(`'`, `'\\''`)}'`;
}
