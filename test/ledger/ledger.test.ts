import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../../activities/redis/connection.js';
import { createByRedisCli, redisCli } from '../support/redis-cli.js';
import { type RedisNodes, startRedisNodes } from '../support/redis-nodes.js';
import { type Ledger, type LedgerRequest, ledgerProblems, ledgerWords, startLedger } from '../support/ledger.js';
import { until } from '../support/until.js';
import type { KeySample } from './protocol.js';
import type { Kind } from './model.js';
import { expectNoProblems } from '../support/no-problems.js';

let nodes: RedisNodes;
let ledger: Ledger;

const addresses = () => [...nodes.servers.values()].map(({ address, port }) => ({ address, port }));
const request = (change: Partial<LedgerRequest> = {}): LedgerRequest => ({
  nodes: addresses(),
  app: { user: 'app', password: nodes.password.app },
  admin: { user: 'admin', password: nodes.password.admin },
  ...change,
});
const untilWritten = (count: number) =>
  until('it has written enough', async () => (await ledger.counts()).acknowledged >= count, 60_000);

/** Asks the node that owns the slot: a third of the slots each, in order. */
const asOwner = (slot: number, ...command: Command) => nodes.admin(nodeAt(Math.floor((slot * 3) / 16384)), ...command);
function nodeAt(index: number): string {
  return [...nodes.servers.keys()][index] ?? '';
}

beforeAll(async () => {
  nodes = await startRedisNodes({ masters: 3, replicasPerMaster: 0 });
  await createByRedisCli(nodes);
});
afterAll(async () => {
  await ledger?.close();
  await nodes?.stop();
});

describe('a ledger over a cluster that is well', () => {
  it('finds every acknowledged write, of every kind, while slots are moved by redis-cli', async () => {
    ledger = await startLedger(request());
    const [from, to] = await Promise.all(
      [0, 1].map(async (i) => String(await nodes.admin(nodeAt(i), 'CLUSTER', 'MYID'))),
    );
    const [entry] = addresses();
    const at = `${entry?.address}:${entry?.port}`;
    await untilWritten(2000);
    for (const [a = '', b = ''] of [
      [from, to],
      [to, from],
    ]) {
      const words = ['--cluster-from', a, '--cluster-to', b, '--cluster-slots', '200', '--cluster-yes'];
      const { code, text } = await redisCli({
        argv: ['--cluster', 'reshard', at, ...words],
        password: nodes.password.admin,
      });
      expect(code, text).toBe(0);
    }
    await untilWritten(20_000);
    const verdict = await ledger.verify();
    console.log(ledgerWords(verdict));
    expectNoProblems(ledgerProblems(verdict));
    expect(verdict).toMatchObject({ slots: 16_384, errors: 0, unsure: 0 });
    expect(verdict.acknowledged).toBeGreaterThanOrEqual(20_000);
    for (const times of Object.values(verdict.byKind)) expect(times).toBeGreaterThan(500);
    expect(Object.values(verdict.keysOn).every((keys) => keys > 1000)).toBe(true);
  });
});

describe('a ledger notices', () => {
  let samples: KeySample[];
  /** A key of its own for each test. */
  const take = (kind: Kind, wanted: (sample: KeySample) => boolean = () => true): KeySample => {
    const at = samples.findIndex((sample) => sample.kind === kind && wanted(sample));
    const [sample] = samples.splice(at, 1);
    if (at < 0 || sample === undefined) throw new Error(`no key for ${kind}`);
    return sample;
  };
  const problemsOf = async ({ key }: KeySample) =>
    (await ledger.verify()).losses.filter((loss) => loss.key === key).map(({ problem }) => problem);

  beforeAll(async () => {
    await ledger.close();
    ledger = await startLedger(request({ slots: [[5000, 5063]] }));
    await untilWritten(8000);
    await ledger.pause();
    samples = await ledger.sample();
  });

  it('a lost key', async () => {
    const lost = take('insert');
    await asOwner(lost.slot, 'DEL', lost.key);
    expect(await problemsOf(lost)).toEqual(['missing']);
  });

  it('a lost update, with the time of the first write that is lost', async () => {
    const lost = take('overwrite', ({ held }) => held.length > 3);
    const before = Date.now();
    await asOwner(lost.slot, 'SET', lost.key, lost.held.at(-3) ?? '');
    const [loss] = (await ledger.verify()).losses.filter(({ key }) => key === lost.key);
    expect(loss).toMatchObject({ problem: 'lost update', found: lost.held.at(-3), expected: lost.held.at(-1) });
    expect(loss?.ackedAt).toBeLessThan(before);
    expect(loss?.ackedAt).toBeGreaterThan(before - 60_000);
  });

  it('a lost increment, field and item', async () => {
    const counter = take('counter', ({ held }) => held.length > 2);
    await asOwner(counter.slot, 'DECR', counter.key);
    expect(await problemsOf(counter)).toEqual(['lost update']);
    const hash = take('hash');
    await asOwner(hash.slot, 'HDEL', hash.key, 'f1');
    expect(await problemsOf(hash)).not.toEqual([]);
    const list = take('list', ({ held }) => held.length > 3);
    await asOwner(list.slot, 'RPOP', list.key);
    expect(await problemsOf(list)).toEqual(['lost update']);
  });

  it('an increment too many, and a value that nobody wrote', async () => {
    const counter = take('counter', ({ held }) => held.length > 2);
    await asOwner(counter.slot, 'INCRBY', counter.key, '5');
    expect(await problemsOf(counter)).toEqual(['foreign']);
    const key = take('insert');
    await asOwner(key.slot, 'SET', key.key, 'something');
    expect(await problemsOf(key)).toEqual(['foreign']);
  });

  it('a resurrected key', async () => {
    const deleted = take('delete', ({ held }) => held.at(-1) === '(nothing)' && held.length > 2);
    await asOwner(deleted.slot, 'SET', deleted.key, deleted.held.at(-2) ?? '');
    expect(await problemsOf(deleted)).toEqual(['resurrected']);
  });

  it('a TTL that was lost, changed, cut short or made up', async () => {
    const persistent = take('lasting');
    await asOwner(persistent.slot, 'PERSIST', persistent.key);
    expect(await problemsOf(persistent)).toEqual(['no TTL']);
    const changed = take('lasting');
    await asOwner(changed.slot, 'PEXPIRE', changed.key, '9000000');
    expect(await problemsOf(changed)).toEqual(['wrong TTL']);
    const gone = take('lasting');
    await asOwner(gone.slot, 'PEXPIRE', gone.key, '1');
    await until('it is gone', async () => (await asOwner(gone.slot, 'EXISTS', gone.key)) === 0);
    expect(await problemsOf(gone)).toEqual(['gone too early']);
    const mortal = take('insert');
    await asOwner(mortal.slot, 'PEXPIRE', mortal.key, '900000');
    expect(await problemsOf(mortal)).toEqual(['a TTL that nobody set']);
  });

  it('an expired key that came back without its TTL', async () => {
    const expired = take('expiring', ({ held }) => held.length > 1);
    await until('it has expired', async () => (await asOwner(expired.slot, 'EXISTS', expired.key)) === 0);
    await asOwner(expired.slot, 'SET', expired.key, expired.held.at(-1) ?? '');
    expect(await problemsOf(expired)).toEqual(['no TTL']);
  });

  it('a key on two masters', async () => {
    const twice = take('insert');
    const [owner, other] = [nodeAt(0), nodeAt(1)];
    const dump = ['IMPORTING', String(await nodes.admin(owner, 'CLUSTER', 'MYID'))] as const;
    await nodes.admin(other, 'CLUSTER', 'SETSLOT', `${twice.slot}`, ...dump);
    await plantAsking(other, ['SET', twice.key, twice.held.at(-1) ?? '']);
    await nodes.admin(other, 'CLUSTER', 'SETSLOT', `${twice.slot}`, 'STABLE');
    expect((await problemsOf(twice)).sort()).toEqual(['stray', 'twice']);
  });

  it('an update that is lost while it writes, at the next write of the key', async () => {
    await ledger.close();
    ledger = await startLedger(request({ slots: [[12_000, 12_000]], perSecond: 200 }));
    const victim = await until('a counter that has been raised', async () =>
      (await ledger.sample()).find(({ kind, held }) => kind === 'counter' && held.length > 2),
    );
    await asOwner(victim.slot, 'DECR', victim.key);
    const { acknowledged } = await ledger.counts();
    await untilWritten(acknowledged + 200);
    expect(await problemsOf(victim)).toEqual(['lost update']);
  });

  it('every error of a client, and what may have been written all the same', async () => {
    await ledger.close();
    ledger = await startLedger(request());
    await untilWritten(1000);
    await nodes.servers.get(nodeAt(2))?.kill();
    await until('clients saw it', async () => (await ledger.counts()).errors > 0, 30_000);
    await nodes.servers.get(nodeAt(2))?.restart();
    const { acknowledged } = await ledger.counts();
    await untilWritten(acknowledged + 1000);
    await ledger.pause();
    for (const node of nodes.servers.keys()) {
      const state = async () => String(await nodes.admin(node, 'CLUSTER', 'INFO'));
      await until('the cluster is well', async () => (await state()).includes('cluster_state:ok'), 30_000);
    }
    const verdict = await ledger.verify();
    expect(verdict.unsure).toBeGreaterThan(0);
    expect(ledgerProblems(verdict).join('\n')).toMatch(/times a client was told: /);
    // It came back empty: all that it had is lost, long before it was killed as well.
    const now = { at: Date.now(), goneAt: Date.now() };
    const killed = { node: nodeAt(2), slots: [[10_923, 16_383]] as const, ...now, withinMs: 120_000 };
    expect(verdict.losses.length).toBeGreaterThan(100);
    expect(ledgerProblems(verdict, { errors: 'accepted' })).not.toEqual([]);
    expectNoProblems(ledgerProblems(verdict, { errors: 'accepted', kills: [killed] }));
    expect(ledgerProblems(verdict, { errors: 'accepted', kills: [{ ...killed, slots: [[0, 10_922]] }] })).not.toEqual(
      [],
    );
  });
});

/** ASKING and the command on one connection. */
async function plantAsking(node: string, [name = '', ...words]: readonly string[]): Promise<void> {
  const { address = '', port = 0 } = nodes.servers.get(node) ?? {};
  const redis = new Redis({ host: address, port, username: 'admin', password: nodes.password.admin });
  await Promise.all([redis.asking(), redis.call(name, ...words)]);
  redis.disconnect();
}
