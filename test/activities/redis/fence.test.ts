import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeConnection } from '../../../activities/redis/connection.js';
import { behindFence, Fence, type FenceDeps } from '../../../activities/redis/fence.js';
import { ForgeError } from '../../../domain/errors.js';
import type { StepToken } from '../../../domain/survey.js';
import { failureOf } from '../../support/failure.js';
import { CONFIRMED } from '../../support/fence.js';
import { gate } from '../../support/gate.js';
import { type RedisNodes, startRedisNodes } from '../../support/redis-nodes.js';

let nodes: RedisNodes;
let names: [string, ...string[]];

beforeEach(async () => {
  nodes = await startRedisNodes({ masters: 2, replicasPerMaster: 0 });
  names = [...nodes.servers.keys()] as [string, ...string[]];
});
afterEach(() => nodes.stop());

const at = (generation: number, attempt = 1, step = 'formCluster'): StepToken => ({ generation, step, attempt });

const FENCED = new ForgeError('Fenced', { what: 'h1 says no.', left: '', next: '' });
const REFUSING: Pick<FenceDeps, 'confirm'> = { confirm: () => Promise.reject(FENCED) };

function raise(token: StepToken, hosts: Pick<FenceDeps, 'confirm'> = CONFIRMED): Promise<Fence> {
  return Fence.raise({ spec: nodes.spec, token, rights: 'steer' }, { secrets: nodes.secrets, ...hosts });
}

function act(token: StepToken, change: Partial<FenceDeps> & { before?: () => Promise<void> } = {}) {
  const { before = () => Promise.resolve(), ...deps } = change;
  return behindFence(
    { spec: nodes.spec, token, nodes: [names[0]], rights: 'steer' },
    { secrets: nodes.secrets, ...CONFIRMED, ...deps },
    async (connection) => {
      await before();
      return connection.ask('CONFIG', 'SET', 'hz', 10 + token.attempt);
    },
  );
}

async function fencesOn(name: string = names[0]): Promise<string[]> {
  const users = (await nodes.admin(name, 'ACL', 'USERS')) as string[];
  return users.filter((user) => user.startsWith('redisforge-fence-')).map((user) => user.replace(/-[0-9a-f]{8}-/, '-'));
}

async function hz(): Promise<number> {
  return Number(((await nodes.admin(names[0], 'CONFIG', 'GET', 'hz')) as string[])[1]);
}

describe('a fence', () => {
  it('is a user of its own on every node while it stands, with no right to data or users, and gone afterwards', async () => {
    const fence = await raise(at(7));
    for (const name of names) expect(await fencesOn(name)).toEqual(['redisforge-fence-7-1']);
    const [server] = nodes.servers.values();
    const { address = '', port = 0 } = server ?? {};
    const connection = await NodeConnection.open({ address, port, credentials: fence.credentials, timeoutMs: 1000 });
    const replies = await connection.pipeline([
      ...connection.login(),
      ['CLUSTER', 'MYID'],
      ['CONFIG', 'SET', 'hz', 10],
      ['GET', 'a'],
      ['ACL', 'SETUSER', 'app', '+@all'],
      ['ACL', 'USERS'],
    ]);
    expect(replies.map(({ ok }) => ok)).toEqual([true, true, true, false, false, false]);
    connection.close();
    await fence.lower();
    for (const name of names) expect(await fencesOn(name)).toEqual([]);
  });

  it('drops the fences of older generations, and of older attempts of its step; other steps go on', async () => {
    await raise(at(6, 3, 'other'));
    await raise(at(7, 1));
    await raise(at(7, 1, 'other'));
    await raise(at(7, 2));
    expect((await fencesOn()).sort()).toEqual(['redisforge-fence-7-1', 'redisforge-fence-7-2']);
  });

  it.each([
    ['generation', at(8, 1, 'other'), at(7, 9)],
    ['attempt', at(7, 3), at(7, 2)],
  ])('is refused where one of a newer %s stands, and leaves nothing', async (_, newer, late) => {
    await raise(newer);
    const standing = await fencesOn();
    expect(await failureOf(raise(late))).toMatchObject({ type: 'Fenced' });
    expect(await fencesOn()).toEqual(standing);
  });

  it('is refused where the hosts do not take the token for the newest, and leaves nothing', async () => {
    expect(await failureOf(raise(at(7), REFUSING))).toBe(FENCED);
    for (const name of names) expect(await fencesOn(name)).toEqual([]);
  });

  it('asks the hosts only when its user stands: whoever was confirmed before can be seen by whoever comes later', async () => {
    let seen: string[] = [];
    await raise(at(7), { confirm: async () => void (seen = await fencesOn()) });
    expect(seen).toEqual(['redisforge-fence-7-1']);
  });
});

describe('an attempt that is held up', () => {
  it('between being confirmed and its first command loses its connection to the newer one', async () => {
    const held = gate();
    let confirmed = 0;
    const confirm = () => (++confirmed === 1 ? Promise.resolve() : Promise.reject(FENCED));
    const zombie = act(at(7, 1), { confirm, before: () => held.pass() });
    await held.reached;
    await act(at(7, 2));
    const before = await hz();
    held.open();
    expect(await failureOf(zombie)).toBe(FENCED);
    expect([await hz(), confirmed]).toEqual([before, 2]);
    expect(await fencesOn()).toEqual([]);
  });

  it('before its user stands is refused by the hosts, also where the newer one has come and gone', async () => {
    await act(at(7, 2));
    const before = await hz();
    expect(await failureOf(act(at(7, 1), REFUSING))).toBe(FENCED);
    expect(await hz()).toBe(before);
    expect(await fencesOn()).toEqual([]);
  });

  it('over a restart of the node asks the hosts again, and goes on where it is the newest still', async () => {
    const held = gate();
    let confirmed = 0;
    const confirm = () => Promise.resolve(void confirmed++);
    const acting = act(at(7, 4), { confirm, before: () => held.pass() });
    await held.reached;
    await nodes.servers.get(names[0])?.restart();
    held.open();
    expect(await acting).toBe('OK');
    expect([await hz(), confirmed]).toEqual([14, 2]);
    expect(await fencesOn()).toEqual([]);
  });

  it('over a restart of the node is refused by the hosts where a newer one has come', async () => {
    const held = gate();
    let confirmed = 0;
    const confirm = () => (++confirmed === 1 ? Promise.resolve() : Promise.reject(FENCED));
    const zombie = act(at(7, 4), { confirm, before: () => held.pass() });
    await held.reached;
    await nodes.servers.get(names[0])?.restart();
    held.open();
    expect(await failureOf(zombie)).toBe(FENCED);
    expect(await fencesOn()).toEqual([]);
  });
});
