import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { OS_PROFILE } from '../../domain/os-profile.js';
import type { LabHost } from '../../lab/driver.js';
import { requireEngine } from '../../lab/engines.js';
import { openStage, type Stage } from '../support/e2e.js';
import { type RefusalLine, refusalLines, stateOf } from '../support/snapshot.js';
import { done, Haunting, ZOMBIE_CASES } from '../support/zombies.js';

const temporalAddress = inject('temporalAddress');
const NETWORK = OS_PROFILE.filter(({ scope }) => scope === 'network').map(({ key }) => key);

let stage: Stage;
let haunting: Haunting;

beforeAll(async () => {
  stage = await openStage({
    temporalAddress,
    name: `zombie-${process.pid}`,
    driver: 'container',
    hosts: 3,
    nodesPerHost: 1,
    engine: await requireEngine('redis-7.0'),
  });
  haunting = await Haunting.open({ stage, temporalAddress, state });
}, 300_000);
afterEach(() => haunting.layToRest());
afterAll(async () => {
  await haunting?.close();
  await stage?.close();
});

/** Files and nodes, and of each host the settings that it runs with and those that it keeps. */
async function state(): Promise<Record<string, string>> {
  const systems = stage.lab.hosts.map(async (host) => [`${host.name} system`, await systemOf(host)] as const);
  return { ...(await stateOf(stage)), ...Object.fromEntries(await Promise.all(systems)) };
}

function systemOf(host: LabHost): Promise<string> {
  const look =
    'sysctl "$@"; cd /etc && head -n 999 sysctl.d/* tmpfiles.d/* systemd/system/redisforge* 2>/dev/null || :';
  return stage.onHost(host, ['sh', '-c', look, 'sh', ...NETWORK]);
}

function eachHost<T>(work: (host: LabHost) => Promise<T>): Promise<T[]> {
  return Promise.all(stage.lab.hosts.map(work));
}

/** By hand: neither settings nor engines are as the spec wants them, so that a late attempt that was let would have something to do on every host. So has the next apply. */
function undoByHand(): Promise<unknown> {
  return eachHost(async (host) => {
    await stage.onHost(host, ['sysctl', '-w', 'net.core.somaxconn=128', 'net.ipv4.tcp_keepalive_time=7200']);
    await stage.onHost(host, ['sh', '-c', 'rm /etc/sysctl.d/90-redisforge-*']);
    await stage.onHost(host, ['mv', `${host.root}/engines`, `${host.root}/engines-aside`]);
  });
}

/** Who was refused on any host, in the words of the host helper. */
async function refusals(): Promise<RefusalLine[]> {
  const printed = await eachHost((host) => stage.onHost(host, [`${host.root}/bin/redisforge-host`, 'refusals']));
  return printed.flatMap(refusalLines);
}

const kindOf = ({ step }: RefusalLine) => step.split('/')[0];
const [SETTING, BRINGING] = ZOMBIE_CASES.containerHosts;
const apply = () => ['apply', '-f', stage.specFile, '--yes'];

describe('a worker that was stopped right before it sets the profile or brings the engine', () => {
  it('changes nothing when it wakes after the end, of terminated operations and of one that went on', async () => {
    await haunting.terminatedAt([SETTING], apply());
    // Without the profile, whose step is still to be there for the operation that goes on.
    const unprofiled = await stage.variant((document) => document.setIn(['os', 'profile'], 'off'));
    await haunting.terminatedAt([BRINGING], ['apply', '-f', unprofiled, '--yes']);
    await haunting.throughAll([SETTING, BRINGING], () => done(stage, apply()));
    expect((await stage.status()).status.healthy).toBe(true);
    await undoByHand();
    await haunting.wakeAll();
    expect((await refusals()).map((line) => `${line.generation} ${kindOf(line)}`)).toEqual(
      expect.arrayContaining([`1 ${SETTING}`, `2 ${BRINGING}`, `3 ${SETTING}`, `3 ${BRINGING}`]),
    );
  });

  it('changes nothing when it wakes while its operation still holds the hosts: its successor did the step', async () => {
    const setting = await haunting.ghostAt(SETTING);
    const running = done(stage, apply());
    await setting.stopped();
    const bringing = await haunting.ghostAt(BRINGING);
    await bringing.stopped();
    const last = await haunting.ghostAt('releaseLeases');
    await last.stopped();
    await haunting.wakeAlone([setting, bringing]);
    await haunting.startHeir();
    await running;
    const superseded = (await refusals()).filter(({ why }) => /^attempt \d+ of step \S+ came after/.test(why));
    expect(new Set(superseded.map(kindOf))).toEqual(new Set([SETTING, BRINGING]));
  });
});
