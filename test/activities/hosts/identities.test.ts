import { afterAll, beforeAll, expect, it } from 'vitest';
import { createHostActivities, type HostActivities } from '../../../activities/hosts/activities.js';
import type { HostAdapters } from '../../../activities/hosts/ask-host.js';
import { hostHelper } from '../../../activities/hosts/helper.js';
import { forgetIdentities } from '../../../activities/hosts/lease.js';
import { type Command, withNode } from '../../../activities/redis/connection.js';
import { createSshPool } from '../../../activities/ssh/pool.js';
import { nodeName } from '../../../domain/nodes.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { userName } from '../../../domain/users.js';
import { startLab, type TestLab } from '../../support/lab.js';
import { leaseOf, randomSecrets, specOfLab } from './lab-hosts.js';

const secrets = randomSecrets();
const adapters: HostAdapters = { ssh: createSshPool(), helper: hostHelper() };
let activities: HostActivities;
let lab: TestLab;
let spec: ClusterSpec;
let at: { readonly spec: ClusterSpec; readonly host: string; readonly port: number };

beforeAll(async () => {
  activities = createHostActivities({ ...adapters, secrets });
  lab = await startLab({ hosts: 1 });
  spec = await specOfLab(lab);
  const [host] = spec.hosts;
  at = { spec, host: host?.name ?? '', port: host?.nodes[0]?.port ?? 0 };
});
afterAll(async () => {
  await lab.down();
  await adapters.ssh.close();
});

const token = (step: string) => ({ generation: 1, step, attempt: 1 });
const record = async () => (await activities.surveyHost(at)).record;
const service = async () => (await activities.surveyHost(at)).nodes.find(({ port }) => port === at.port)?.service;

async function ask(...command: Command): Promise<string> {
  const credentials = { user: userName(spec, 'admin'), password: await secrets(spec.secrets.admin.current) };
  const address = spec.hosts[0]?.address ?? '';
  return withNode({ address, port: at.port, credentials, timeoutMs: 5000 }, async (node) =>
    String(await node.ask(...command)),
  );
}

async function began(step: string): Promise<string> {
  await activities.placeNode({ ...at, token: token(`place/${step}`) });
  await activities.startNode({ ...at, token: token(`start/${step}`) });
  const id = await ask('CLUSTER', 'MYID');
  await activities.recordIdentities({ ...at, identities: { [at.port]: id }, token: token(`record/${step}`) });
  return id;
}

it('a node that leaves may be started after it was reset, and its port is free for another one after it', async () => {
  await activities.takeLease({ ...at, lease: leaseOf() });
  await activities.prepareHost({ ...at, token: token('prepare') });
  const first = await began('first');

  // Reset without a note: the boot guard takes it for one that lost its data.
  await ask('CLUSTER', 'RESET', 'HARD');
  await activities.stopNode({ ...at, token: token('stop/1') });
  expect(await service()).toMatchObject({ state: 'guarded', reason: 'other-identity' });

  const nodes = [
    { name: nodeName(at.host, at.port), nodeId: first },
    { name: 'h9:6379', nodeId: 'f'.repeat(40) },
  ];
  expect((await forgetIdentities(adapters, { spec, token: token('forget'), nodes })).effects).toEqual([
    `${at.host}: let go of the identity of node ${at.port} ${first}`,
  ]);
  expect(await forgetIdentities(adapters, { spec, token: token('forget'), nodes })).toEqual({ effects: [] });
  expect(await service()).toMatchObject({ state: 'stopped' });
  await activities.startNode({ ...at, token: token('start/again') });
  await activities.stopNode({ ...at, token: token('stop/2') });
  await activities.removeNode({ ...at, data: 'delete', token: token('remove') });
  expect(await record()).toMatchObject({ identities: {}, forgotten: [first] });

  const second = await began('second');
  expect(second).not.toBe(first);
  expect(await record()).toMatchObject({ identities: { [at.port]: second }, forgotten: [first] });
  await activities.stopNode({ ...at, token: token('stop/3') });
  expect(await service()).toMatchObject({ state: 'stopped' });
});

it('asks no host of which every node is lost', async () => {
  const [host] = spec.hosts;
  if (host === undefined) throw new Error('the lab has no host');
  const nodes = host.nodes.map(({ port }) => ({ port, leaving: 'lost' as const }));
  const lost = { ...spec, hosts: [{ ...host, ssh: { ...host.ssh, port: 1 }, nodes }] };
  const named = [{ name: nodeName(at.host, at.port), nodeId: 'e'.repeat(40) }];
  expect(await forgetIdentities(adapters, { spec: lost, token: token('lost'), nodes: named })).toEqual({ effects: [] });
});
