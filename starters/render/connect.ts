import type { SecretRef } from '../../domain/spec.js';

export interface Connection {
  readonly nodes: readonly { readonly address: string; readonly port: number }[];
  readonly user: string;
  readonly secret: SecretRef;
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
  return nodes.slice(0, 1).map(({ address, port }) => {
    const from = secret.startsWith('env:') ? `"$${nameIn(secret)}"` : `"$(cat ${shellQuoted(nameIn(secret))})"`;
    return `REDISCLI_AUTH=${from} redis-cli -c -h ${address} -p ${port} --user ${shellQuoted(user)}`;
  });
}

function ioredis({ nodes, user, secret }: Connection): string[] {
  const fromEnvironment = secret.startsWith('env:');
  const name = JSON.stringify(nameIn(secret));
  return [
    `import { Cluster } from 'ioredis';`,
    ...(fromEnvironment ? [] : [`import { readFileSync } from 'node:fs';`]),
    fromEnvironment
      ? `const password = process.env[${name}];`
      : `const password = readFileSync(${name}, 'utf8').replace(/[\\n\\0]+$/, '');`,
    `const nodes = [${nodes.map(({ address, port }) => `{ host: '${address}', port: ${port} }`).join(', ')}];`,
    `const cluster = new Cluster(nodes, { redisOptions: { username: ${JSON.stringify(user)}, password } });`,
  ];
}

function redisPy({ nodes, user, secret }: Connection): string[] {
  const fromEnvironment = secret.startsWith('env:');
  const name = JSON.stringify(nameIn(secret));
  return [
    'from redis.cluster import ClusterNode, RedisCluster',
    ...(fromEnvironment ? ['import os'] : []),
    fromEnvironment
      ? `password = os.environ[${name}]`
      : `password = open(${name}, encoding="utf-8", newline="").read().rstrip("\\n\\0")`,
    `nodes = [${nodes.map(({ address, port }) => `ClusterNode("${address}", ${port})`).join(', ')}]`,
    `cluster = RedisCluster(startup_nodes=nodes, username=${JSON.stringify(user)}, password=password)`,
  ];
}

function nameIn(secret: SecretRef): string {
  return secret.slice(secret.indexOf(':') + 1);
}

function shellQuoted(text: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll(`'`, `'\\''`)}'`;
}
