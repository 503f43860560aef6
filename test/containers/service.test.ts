import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostHelper } from '../../activities/hosts/helper.js';
import { ForgeError } from '../../domain/errors.js';
import { sudoersText } from '../../starters/sudoers.js';
import { followSudoers, openSystemdLab, type SystemdLab } from '../support/systemd-lab.js';
import { until } from '../support/until.js';

let hosts: SystemdLab;
beforeAll(async () => {
  hosts = await openSystemdLab({ hosts: 3, nodesPerHost: 2 });
});
afterAll(() => hosts.close());

async function failure(work: Promise<unknown>): Promise<ForgeError> {
  const end = await work.catch((error: unknown) => error);
  if (end instanceof ForgeError) return end;
  throw new Error('a ForgeError was expected', { cause: end });
}

const ROOT = '/var/lib/redisforge';
const UNIT = 'redisforge-orders@6379.service';

describe('a login that is not root', () => {
  it('is refused where sudo lets it do nothing, with what to do, and nothing is changed', async () => {
    const refused = await failure(hosts.survey('h1'));
    expect(refused.type).toBe('SudoRefused');
    expect(refused.text.what).toMatch(/^On h1, sudo did not let the login run the survey of h1: .*password/);
    expect(refused.text.next).toContain('redisforge doctor --sudoers');
    expect(await hosts.sh('h1', `ls -A ${ROOT}`)).toMatch(/^(lost\+found)?$/);
  });

  it('works with the one rule that doctor prints, and with nothing else', async () => {
    await followSudoers(hosts);
    expect(await hosts.sh('h1', 'su operator -c "sudo -n id" 2>&1 || :')).toMatch(/sudo: a password is required/);
    const { exam } = await hosts.survey('h1');
    expect(exam).toMatchObject({ privileged: true, systemdVersion: 252, rootProblem: null });
  });

  it.each(['ops', 'corp\\anna', 'anna@corp.example'])('has a rule that visudo takes, for %j', async (user) => {
    const [host] = hosts.spec.hosts;
    if (host === undefined) throw new Error('no host');
    const text = sudoersText({ hosts: [{ ...host, ssh: { ...host.ssh, user } }] });
    const rule = text.filter((line) => !line.startsWith('install ')).join('\n');
    const argv = ['sh', '-c', `printf '%s\\n' "$1" | visudo -cf -`, 'sh', rule];
    expect(await hosts.lab.exec(hosts.hostOf('h1'), argv)).toContain('parsed OK');
  });

  it('may also have all rights: then a bare host needs nothing by hand', async () => {
    await hosts.sh('h2', `rm -rf ${ROOT}/bin; echo 'operator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/redisforge`);
    expect((await hosts.survey('h2')).record.helperSha256).toBeNull();
  });
});

describe('nodes under systemd', () => {
  it('are brought up by an apply, and are as wanted afterwards', async () => {
    const { plan, effects } = await hosts.apply();
    expect(plan.steps.map(({ id }) => id)).toContain('formCluster');
    expect(effects).toContain('h1: created unit redisforge-orders@.service');
    expect(effects).toContain(`h1: enabled at boot: node 6379 ${UNIT}`);
    expect(await hosts.plan()).toMatchObject({ steps: [], refusals: [] });
    const { unit, nodes } = await hosts.survey('h1');
    expect(unit?.uid).toBe(hosts.spec.uid);
    expect(nodes.map(({ method, service }) => [method, service.state])).toEqual([
      ['systemd', 'running'],
      ['systemd', 'running'],
    ]);
  });

  it('run as an account of their own that may write its data and log, and nothing else', async () => {
    const { nodes } = await hosts.survey('h1');
    const [service] = nodes.map((node) => node.service);
    if (service?.state !== 'running') throw new Error('the node does not run');
    const facts = await hosts.sh('h1', `grep -E "^(Uid|CapEff|NoNewPrivs)" /proc/${service.pid}/status; id -u redis`);
    const [uid, capabilities, noNew, redis] = facts.split('\n').map((line) => line.split(/\s+/)[1] ?? line);
    expect([uid, capabilities, noNew]).toEqual([redis, '0000000000000000', '1']);
    expect(
      await hosts.sh('h1', `stat -c '%a %U:%G %n' ${ROOT} ${ROOT}/bin ${ROOT}/bin/redisforge-host ${ROOT}/record`),
    ).toBe(
      [
        `711 root:root ${ROOT}`,
        `755 root:root ${ROOT}/bin`,
        `755 root:root ${ROOT}/bin/redisforge-host`,
        `700 root:root ${ROOT}/record`,
      ].join('\n'),
    );
    const home = `${ROOT}/nodes/6379`;
    expect(await hosts.sh('h1', `cd ${home}; stat -c '%a %U:%G %n' . redis.conf data log run`)).toBe(
      [
        '750 root:redis .',
        '640 root:redis redis.conf',
        '700 redis:redis data',
        '700 redis:redis log',
        '700 root:root run',
      ].join('\n'),
    );
    const show = await hosts.sh('h1', `systemctl show -p LimitNOFILE,TimeoutStopUSec,NRestarts,UnitFileState ${UNIT}`);
    expect(show.split('\n').sort()).toEqual([
      'LimitNOFILE=2048',
      'NRestarts=0',
      'TimeoutStopUSec=1min 4s',
      'UnitFileState=enabled',
    ]);
  });

  it('write nowhere else: another instance of the unit tries', async () => {
    const home = `${ROOT}/nodes/7000`;
    const probe = `for path in /etc/x /home/x ${ROOT}/x ${home}/x ${home}/run/x ${home}/data/x ${home}/log/x; do touch $path && echo wrote $path; done; exit 0`;
    await hosts.sh(
      'h1',
      `mkdir -p ${home}/data ${home}/log ${home}/run; chown redis: ${home}/data ${home}/log; chown root:redis ${home}; chmod 750 ${home}
       printf '%s\n' 'systemd redisforge-orders@7000.service' /bin/sh -c '${probe}' >${home}/service; chmod 644 ${home}/service
       systemctl start redisforge-orders@7000.service`,
    );
    const said = () => hosts.sh('h1', 'journalctl -q -o cat -u redisforge-orders@7000.service');
    await until('the probe has ended', async () => (await said()).includes('log/x'));
    expect((await said()).split('\n').filter((line) => line.startsWith('wrote'))).toEqual([
      `wrote ${home}/data/x`,
      `wrote ${home}/log/x`,
    ]);
    await hosts.sh('h1', `rm -r ${home}`);
  });

  it('are kept by a helper that is brought up to date through the one that is there', async () => {
    await hosts.sh('h1', `echo '# of another version' >>${ROOT}/bin/redisforge-host`);
    const { plan, effects } = await hosts.apply();
    expect(plan.steps).toMatchObject([
      { kind: 'prepareHost', host: 'h1', why: 'its host helper is of another version' },
    ]);
    expect(effects).toEqual([]);
    expect((await hosts.survey('h1')).record.helperSha256).toBe(hostHelper().sha256);
    expect(await hosts.sh('h1', `ls -A ${ROOT}/bin`)).toBe('redisforge-host');
    expect(
      await hosts.sh('h1', 'journalctl -q -o cat -t sudo | grep COMMAND= | grep -v bin/redisforge-host || :'),
    ).toBe('');
  });

  it('have a unit whose changes are seen and taken back', async () => {
    await hosts.sh('h1', 'echo "# by hand" >>/etc/systemd/system/redisforge-orders@.service');
    const { plan, effects } = await hosts.apply();
    expect(plan.steps).toMatchObject([
      { kind: 'prepareHost', host: 'h1', why: expect.stringContaining('unit differs') as string },
    ]);
    expect(effects).toEqual(['h1: updated unit redisforge-orders@.service']);
    expect(await hosts.sh('h1', `systemctl show -p NeedDaemonReload ${UNIT}`)).toBe('NeedDaemonReload=no');
    expect(await hosts.plan()).toMatchObject({ steps: [] });
  });

  it('come back with their data after SIGKILL, by themselves', async () => {
    const before = (await hosts.survey('h1')).nodes[0]?.service;
    if (before?.state !== 'running') throw new Error('the node does not run');
    await hosts.sh('h1', `kill -9 ${before.pid}`);
    await until(
      'systemd started it again',
      async () => {
        const now = (await hosts.survey('h1')).nodes[0]?.service;
        return now?.state === 'running' && now.pid !== before.pid && now.pid !== 0;
      },
      30_000,
    );
    await until('health', async () => (await hosts.status()).healthy, 30_000);
    expect(await hosts.sh('h1', `systemctl show -p NRestarts ${UNIT}`)).toBe('NRestarts=1');
  });

  it('are seen as they are where a person stops and starts them', async () => {
    await hosts.sh('h3', `systemctl stop ${UNIT}`);
    expect((await hosts.survey('h3')).nodes[0]?.service).toMatchObject({ state: 'exited', exitCode: 0 });
    expect((await hosts.plan()).steps[0]).toMatchObject({ id: 'startNode/h3:6379' });
    await hosts.sh('h3', `systemctl start ${UNIT}`);
    expect((await hosts.survey('h3')).nodes[0]?.service.state).toBe('running');
    await until('health', async () => (await hosts.status()).healthy, 30_000);
  });

  it('that an operation stopped stay down over a reboot, until somebody starts them', async () => {
    const node = { spec: hosts.spec, host: 'h3', port: 6379 };
    const host = hosts.hostOf('h3');
    await hosts.holding((token) => hosts.activities.stopNode({ ...node, token: token('stop') }));
    expect(await hosts.sh('h3', `systemctl is-enabled ${UNIT} || :`)).toBe('disabled');
    await hosts.lab.driver.kill(host);
    await hosts.lab.driver.start(host);
    expect((await hosts.survey('h3')).nodes[0]?.service.state).toBe('stopped');
    const { plan } = await hosts.apply();
    expect(plan.steps.map(({ id }) => id)).toContain('startNode/h3:6379');
    expect(await hosts.sh('h3', `systemctl is-enabled ${UNIT}`)).toBe('enabled');
    await until('health', async () => (await hosts.status()).healthy, 30_000);
  });

  it('are stopped also where their number is that of a process that was stopped before', async () => {
    const node = { spec: hosts.spec, host: 'h3', port: 6379 };
    const [before] = (await hosts.survey('h3')).nodes;
    if (before?.service.state !== 'running') throw new Error('the node does not run');
    const { pid } = before.service;
    // What a stop leaves where the power goes in the start after it, and the numbers of processes begin anew.
    await hosts.sh('h3', `echo ${pid} 17 >${ROOT}/nodes/6379/run/stop`);
    await hosts.holding(async (token) => {
      const { effects } = await hosts.activities.stopNode({ ...node, token: token('stop') });
      expect(effects.join()).toContain(`pid ${pid}`);
      await hosts.activities.startNode({ ...node, token: token('start') });
    });
    await until('health', async () => (await hosts.status()).healthy, 30_000);
  });

  it('are noted in the journal once where whoever enables or disables them dies before the line is written', async () => {
    const node = { spec: hosts.spec, host: 'h3', port: 6379 };
    const notes = async () =>
      (await hosts.sh('h3', `cut -f 5 ${ROOT}/record/journal | grep -E '^node.(en|dis)abled$' || :`)).split('\n');
    // Found before the real one: does what it is asked to do, and takes the helper with it.
    const deadly = `printf '#!/bin/sh\n/usr/bin/systemctl "$@"; case "$*" in *able*) kill -9 $PPID ;; esac\n' >/usr/local/sbin/systemctl; chmod 755 /usr/local/sbin/systemctl`;
    const whole = 'rm -f /usr/local/sbin/systemctl';
    await hosts.holding(async (token) => {
      const stop = () => hosts.activities.stopNode({ ...node, token: token('stop') });
      const start = () => hosts.activities.startNode({ ...node, token: token('start') });
      const known = await notes();
      const since = async () => (await notes()).slice(known.length);
      for (const { act, noted } of [
        { act: stop, noted: ['node.disabled'] },
        { act: start, noted: ['node.disabled', 'node.enabled'] },
      ]) {
        await hosts.sh('h3', deadly);
        await failure(act());
        await hosts.sh('h3', whole);
        expect(await since()).toEqual(noted.slice(0, -1));
        await act();
        await act();
        expect(await since()).toEqual(noted);
      }
    });
    await until('health', async () => (await hosts.status()).healthy, 30_000);
  });

  it('that end while they start are given up, with the end of the journal and the log', async () => {
    const broken = await hosts.variant((document) => document.setIn(['redis', 'extra', 'tls-port'], '7999'));
    const node = { spec: broken.spec, host: 'h3', port: 6379 };
    await broken.holding(async (token) => {
      await hosts.activities.stopNode({ ...node, token: token('stop') });
      expect((await hosts.survey('h3')).nodes[0]?.service.state).toBe('stopped');
      await hosts.activities.placeNode({ ...node, token: token('place') });
      const refused = await failure(hosts.activities.startNode({ ...node, token: token('start') }));
      expect(refused.type).toBe('NodeWontStart');
      expect(refused.text.what).toContain('exit code 1');
      expect(refused.text.what).toMatch(/TLS/);
    });
    const { service } = (await hosts.survey('h3')).nodes[0] ?? {};
    expect(service).toMatchObject({ state: 'exited', exitCode: 1 });
    expect(
      await hosts.sh('h3', `systemctl show -p ActiveState,NRestarts ${UNIT}; systemctl is-active ${UNIT} || :`),
    ).not.toContain('activating');
    const { plan } = await hosts.apply();
    expect(plan.steps.map(({ id }) => id)).toEqual(['placeNode/h3:6379', 'startNode/h3:6379', 'smokeTest']);
    await until('health', async () => (await hosts.status()).healthy, 30_000);
  });

  it('are not handed over to another service method by an apply', async () => {
    const other = await hosts.variant((document) => document.setIn(['service', 'method'], 'process'));
    const { refusals } = await other.plan();
    expect(refusals.map(({ what }) => what)).toContain(
      'h1:6379 is kept running by the method systemd, and the spec wants process: an apply does not change that under a node.',
    );
  });

  it('leave nothing behind where a host is given back', async () => {
    const host = 'h3';
    await hosts.holding(async (token) => {
      for (const port of [6379, 6380]) {
        const node = { spec: hosts.spec, host, port };
        await hosts.activities.stopNode({ ...node, token: token(`stop${port}`) });
        await hosts.activities.removeNode({ ...node, data: 'delete', token: token(`remove${port}`) });
      }
      await hosts.activities.releaseHost({ spec: hosts.spec, host, data: 'delete', token: token('release') });
    });
    expect(
      await hosts.sh(host, 'ls /etc/systemd/system/redisforge-* /etc/systemd/system/*/redisforge-* 2>/dev/null || :'),
    ).toBe('');
    expect(await hosts.sh(host, `systemctl show -p LoadState ${UNIT}`)).toBe('LoadState=not-found');
    expect(await hosts.sh(host, `ls -A ${ROOT}`)).toMatch(/^(lost\+found)?$/);
  });
});
