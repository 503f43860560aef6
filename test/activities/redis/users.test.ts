import { Redis } from 'ioredis';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { otherSecrets, setUsers } from '../../../activities/redis/users.js';
import { createSecretResolver } from '../../../config/secrets.js';
import type { ClusterSpec, Duty } from '../../../domain/spec.js';
import { failureOf } from '../../support/failure.js';
import { CONFIRMED, TOKEN } from '../../support/fence.js';
import { type RedisNodes, startRedisNodes } from '../../support/redis-nodes.js';

let nodes: RedisNodes | undefined;
let name: string;
const clients: Redis[] = [];

beforeEach(async () => {
  await nodes?.stop();
  nodes = await startRedisNodes({ masters: 1, replicasPerMaster: 0 });
  [name = ''] = nodes.servers.keys();
});
afterAll(async () => {
  for (const client of clients) client.disconnect();
  await nodes?.stop();
});

function running(): RedisNodes {
  if (nodes === undefined) throw new Error('no nodes');
  return nodes;
}

function withApp(app: Partial<ClusterSpec['users']['app']>): ClusterSpec {
  const { spec } = running();
  return { ...spec, users: { app: { ...spec.users.app, ...app } } };
}

function set(spec: ClusterSpec, secrets = running().secrets) {
  const [host = '', port = ''] = name.split(':');
  return setUsers({ spec, host, port: Number(port), token: TOKEN }, { secrets, ...CONFIRMED });
}

/** What another worker would resolve, whose files were changed. */
function secretsWith(other: Partial<Record<Duty, string>>) {
  const values = { ...running().password, ...other };
  const env = Object.fromEntries(Object.entries(values).map(([duty, value]) => [duty.toUpperCase(), value]));
  return createSecretResolver({ env, machine: 'another machine' });
}

async function user(of: string): Promise<string> {
  const fields = await running().admin(name, 'ACL', 'GETUSER', of);
  // The words for the same rights come in any order.
  return JSON.stringify(fields).split(/[ "]/).sort().join(' ');
}

describe('the rights of running users', () => {
  it('become those of the spec, for who is connected, and nobody is sent away or loses the password', async () => {
    const { servers, password } = running();
    const client = new Redis({
      host: servers.get(name)?.address ?? '',
      port: servers.get(name)?.port ?? 0,
      username: 'app',
      password: password.app,
      retryStrategy: () => null,
      enableReadyCheck: false,
    });
    clients.push(client);
    expect(await client.ping()).toBe('PONG');
    const id = await client.client('ID');
    const others = await Promise.all(['redisforge-operator', 'redisforge-replication', 'admin', 'default'].map(user));
    const { effects } = await set(withApp({ commands: '+@read +client', keys: '~orders:* %R~cart:*' }));
    expect(effects).toEqual([
      expect.stringMatching(new RegExp(`^${name}: user app: commands .*@all.* → -@all .*\\+@read`)),
      `${name}: user app: keys ~* → ~orders:* %R~cart:*`,
    ]);
    await expect(client.ping()).rejects.toThrow('NOPERM');
    expect(await client.client('ID')).toBe(id);
    expect(await Promise.all(['redisforge-operator', 'redisforge-replication', 'admin', 'default'].map(user))).toEqual(
      others,
    );
    expect(await running().admin(name, 'AUTH', 'app', password.app)).toBe('OK');
  });

  it('stay as they are where they are right: asked again, nothing is done', async () => {
    const spec = withApp({ channels: '&orders:*' });
    await set(spec);
    expect(await set(spec)).toEqual({ effects: [] });
  });

  it('take back what was granted by hand, also to the default user and by selectors', async () => {
    await running().admin(name, 'ACL', 'SETUSER', 'app', '+config', '(+@all ~*)');
    await running().admin(name, 'ACL', 'SETUSER', 'default', 'on', '+ping');
    const { effects } = await set(running().spec);
    expect(effects.map((effect) => /user (\S+: \S+)/.exec(effect)?.[1])).toEqual([
      'default: state',
      'default: commands',
      'app: commands',
      'app: selectors',
    ]);
  });

  it('leave users alone that the spec does not have', async () => {
    await running().admin(name, 'ACL', 'SETUSER', 'auditor', 'on', '>an-auditors-password', '+acl|list');
    const before = await user('auditor');
    await set(running().spec);
    expect(await user('auditor')).toBe(before);
  });

  it('fail by name where Redis refuses them, with nothing changed', async () => {
    const before = await user('app');
    const error = await failureOf(set(withApp({ commands: '+no-such-command' })));
    expect(error.type).toBe('CommandFailed');
    expect(error.text.what).toMatch(/user app: .*no-such-command/);
    expect(await user('app')).toBe(before);
  });

  it('are not touched where a secret is another one, and the refusal names the user and no hash', async () => {
    const before = await user('app');
    const error = await failureOf(
      set(withApp({ commands: '+@read' }), secretsWith({ app: 'e1b6d0c4a2-another-secret' })),
    );
    expect(error.type).toBe('Refused');
    expect(error.text.what).toContain('app');
    expect(error.message).not.toMatch(/[0-9a-f]{64}|another-secret/);
    expect(await user('app')).toBe(before);
  });
});

describe('users with other secrets', () => {
  const asked = (secrets = running().secrets, spec = running().spec) =>
    otherSecrets({ spec, nodes: [name] }, { secrets });

  it('are none where all are as the spec says', async () => {
    expect(await asked()).toEqual({ [name]: [] });
  });

  it('are those whose secret was changed, renamed, opened or joined by a second one', async () => {
    expect(await asked(secretsWith({ app: 'e1b6d0c4a2-another-secret' }))).toEqual({ [name]: ['app'] });
    expect(await asked(running().secrets, withApp({ name: 'orders' }))).toEqual({ [name]: ['orders'] });
    await running().admin(name, 'ACL', 'SETUSER', 'app', '>one-more-password-of-it');
    await running().admin(name, 'ACL', 'SETUSER', 'redisforge-replication', 'nopass');
    expect(await asked()).toEqual({ [name]: ['redisforge-replication', 'app'] });
  });

  it('cannot be known where the node lets us not in, and nobody is asked for nothing', async () => {
    expect(await asked(secretsWith({ operator: 'e1b6d0c4a2-another-secret' }))).toEqual({ [name]: null });
    expect(await otherSecrets({ spec: running().spec, nodes: [] }, { secrets: running().secrets })).toEqual({});
  });
});
