import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../../../activities/redis/connection.js';
import { userRules } from '../../../config/render-users.js';
import { parseValkeyTasks } from '../../../domain/atomic-tasks.js';
import { keySlot } from '../../../domain/key-slot.js';
import { userName } from '../../../domain/users.js';
import { requireEngine } from '../../../lab/engines.js';
import { failureOf } from '../../support/failure.js';
import { type MovingCluster, startMovingCluster } from '../../support/moving-cluster.js';
import { until } from '../../support/until.js';

/** All in one slot. */
const TAG = '{rights}';
const SLOT = keySlot(TAG);
/** The snapshot of this many keys, each of them delayed, leaves time for a client's command. */
const KEYS = 200;
const DELAY_US = 4000;

describe('the replication user of Valkey 9.1, which moves slots', () => {
  let cluster: MovingCluster;
  let [owner, other]: [string, string] = ['', ''];
  let user: string;

  const admin = (name: string, ...command: Command) => cluster.admin(name, ...command);
  const jobs = async () => parseValkeyTasks(await admin(owner, 'CLUSTER', 'GETSLOTMIGRATIONS'));

  beforeAll(async () => {
    cluster = await startMovingCluster({ replicasPerMaster: 1, engine: await requireEngine('valkey-9.1') });
    user = userName(cluster.spec, 'replication');
    owner = (await cluster.owners())[SLOT]?.[0] ?? '';
    other = cluster.masters.find((name) => name !== owner) ?? '';
    for (let i = 0; i < KEYS; i += 1) await admin(owner, 'SET', `${TAG}${i}`, 'x');
    await admin(owner, 'SADD', `${TAG}set`, 3, 1, 2);
    await admin(owner, 'PFADD', `${TAG}hll`, 'a', 'b', 'c');
  }, 300_000);
  afterAll(() => cluster?.stop());

  /** Moves the slot by the bare engine; the command of a client comes while its snapshot is taken. Gives where it ended, and takes the slot back. */
  async function moveOnce(command: Command | null): Promise<string> {
    const before = new Set((await jobs()).map(({ id }) => id));
    await admin(owner, 'CONFIG', 'SET', 'rdb-key-save-delay', command === null ? 0 : DELAY_US);
    const id = String(await admin(other, 'CLUSTER', 'MYID'));
    await admin(owner, 'CLUSTER', 'MIGRATESLOTS', 'SLOTSRANGE', SLOT, SLOT, 'NODE', id);
    const job = async () => (await jobs()).find((one) => !before.has(one.id));
    if (command !== null) {
      await until('the snapshot is taken', async () => ['snapshotting', 'failed'].includes((await job())?.stage ?? ''));
      await admin(owner, ...command);
    }
    const ended = await until('the job is over', async () => {
      const one = await job();
      return one !== undefined && one.state !== 'running' && one.state;
    });
    await admin(owner, 'CONFIG', 'SET', 'rdb-key-save-delay', 0);
    if (ended === 'done') [owner, other] = [other, owner];
    return ended;
  }

  async function giveRights(...changes: readonly string[]): Promise<void> {
    const rules = userRules(cluster.spec).find((one) => one.user === user)?.rules ?? [];
    for (const name of cluster.masters) await admin(name, 'ACL', 'SETUSER', user, ...rules, ...changes);
  }

  const COPY = "return redis.call('RESTORE', KEYS[2], 0, redis.call('DUMP', KEYS[1]), 'REPLACE')";

  /** What takes a right away, and the command of a client that needs it; `null` where the snapshot does. */
  const needs: readonly (readonly [string, Command | null])[] = [
    ['-cluster|syncslots', null],
    ['-select', null],
    ['resetkeys', null],
    ['-set', null],
    ['-sadd', null],
    ['-del', ['DEL', `${TAG}0`]],
    ['-sort', ['SORT', `${TAG}set`, 'STORE', `${TAG}sorted`]],
    ['-restore', ['EVAL', COPY, 2, `${TAG}1`, `${TAG}copy`]],
    // It keeps what it counted, and so writes, where something was added since.
    ['-pfcount', ['PFCOUNT', `${TAG}hll`]],
  ];

  it.each(needs)('needs what %s takes away', async (right, command) => {
    for (const rights of [[right], []]) {
      await admin(owner, 'PFADD', `${TAG}hll`, `${right}${rights.length}`);
      await admin(owner, 'SET', `${TAG}0`, 'x');
      await giveRights(...rights);
      expect(await moveOnce(command)).toBe(rights.length === 0 ? 'done' : 'failed');
    }
  });

  it('may replicate as everywhere', async () => {
    for (const command of [['PSYNC', '?', '-1'], ['REPLCONF', 'capa', 'eof'], ['PING']])
      expect(String(await admin(owner, 'ACL', 'DRYRUN', user, ...command))).toBe('OK');
  });

  it('may not empty a node, load code, or move keys elsewhere', async () => {
    for (const command of [['FLUSHALL'], ['EVAL', 'return 1', '0'], ['MIGRATE', 'h', '1', 'k', '0', '1'], ['GET', 'k']])
      expect(String(await admin(owner, 'ACL', 'DRYRUN', user, ...command))).toMatch(/no permissions/);
  });

  it('still copies masters', async () => {
    expect(String(await admin(owner, 'INFO', 'replication'))).toMatch(/slave0:.*state=online/);
  });

  it('is named, and what to do, where a job cannot log in', async () => {
    await giveRights('-cluster|syncslots');
    const failure = await failureOf(cluster.move([{ from: owner, to: other, ranges: [[SLOT, SLOT]] }]));
    await giveRights();
    expect(failure.type).toBe('CommandFailed');
    expect(failure.message).toMatch(/1 slots \(\d+\) do not go from h\d:\d+ to h\d:\d+: .*no permissions.*run apply/);
  });
});
