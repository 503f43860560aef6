import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { OS_PROFILE } from '../../domain/os-profile.js';
import type { Plan } from '../../domain/plan.js';
import type { LabFaults, LabHost } from '../../lab/driver.js';
import { containerName } from '../../lab/container-host.js';
import { openStage, type Stage } from '../support/e2e.js';
import { machineSettings } from '../support/machine-settings.js';
import { until } from '../support/until.js';

const temporalAddress = inject('temporalAddress');
const NETWORK = OS_PROFILE.filter(({ scope }) => scope === 'network');

let stage: Stage;
let faults: LabFaults;
let before: Record<string, string>;

beforeAll(async () => {
  before = { ...(await machineSettings()), ...(await networkSettings()) };
  stage = await openStage({ temporalAddress, name: `preflight-${process.pid}`, driver: 'container', hosts: 3 });
  if (stage.lab.driver.faults === null) throw new Error('container hosts can be cut off');
  faults = stage.lab.driver.faults;
  await stage.startWorker();
});
afterAll(() => stage.close());
afterEach(() => faults.heal(stage.lab.hosts));

/** This machine's own, of those settings that each network namespace has for itself. */
async function networkSettings(): Promise<Record<string, string>> {
  const paths = NETWORK.map(({ key }) => `/proc/sys/${key.replaceAll('.', '/')}`);
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, await readFile(path, 'utf8')] as const)),
  );
}

function host(index: number): LabHost {
  const found = stage.lab.hosts[index];
  if (found === undefined) throw new Error(`the lab has no host ${index}`);
  return found;
}

async function on(at: LabHost, ...argv: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('docker', ['exec', containerName(at), ...argv]);
  return stdout.trim();
}

async function planOf(file = stage.specFile): Promise<{ exitCode: number | null; plan: Plan }> {
  const { exitCode, stdout } = await stage.run('plan', '-f', file, '--json');
  return { exitCode, plan: JSON.parse(stdout) as Plan };
}

const somaxconn = (at: LabHost) => on(at, 'sysctl', '-n', 'net.core.somaxconn');

describe('ports between container hosts', () => {
  it('are refused where exactly one pair is cut: that pair is named in both directions, and nothing is changed', async () => {
    await faults.cut({ kind: 'pair', hosts: [host(0), host(1)] });
    const { exitCode, plan } = await planOf();
    expect(exitCode).toBe(3);
    const [port, bus] = [6379, 16379];
    const places = ({ address }: LabHost) => `${address}:${port} and ${address}:${bus} (cluster bus)`;
    expect(plan.refusals.map(({ what }) => what).sort()).toEqual([
      `h1 (${host(0).address}) cannot reach h2 at ${places(host(1))}: no answer, as where a firewall drops packets.`,
      `h2 (${host(1).address}) cannot reach h1 at ${places(host(0))}: no answer, as where a firewall drops packets.`,
    ]);
    const began = performance.now();
    const refused = await stage.run('apply', '-f', stage.specFile, '--yes');
    expect(refused.exitCode).toBe(3);
    expect(refused.stderr).toContain('cannot reach h2');
    expect(refused.stderr).toContain('next: Let TCP ports 6379 and 16379 of h2 be reached from h1');
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(await stage.journal()).toEqual([]);
  });

  it('do not hide what else is wrong: a host that is down and a blocked pair are said at once', async () => {
    await faults.cut({ kind: 'oneWay', from: host(0), to: host(1) });
    await stage.lab.driver.kill(host(2));
    try {
      const said = (await planOf()).plan.refusals.map(({ what }) => what);
      expect(said.filter((what) => what.includes('cannot reach'))).toHaveLength(2);
      expect(said.filter((what) => what.includes('h3'))).toHaveLength(1);
    } finally {
      await stage.lab.driver.start(host(2));
    }
  });

  it('leave no listener behind', async () => {
    for (const at of stage.lab.hosts) {
      await until(
        'no exam runs',
        async () => (await on(at, 'pgrep', '-c', 'redisforge-exam').catch(() => '0')) === '0',
      );
    }
  });
});

describe('the OS profile of container hosts', () => {
  it('is planned for what is their own, and the rest is named as not theirs', async () => {
    const { plan } = await planOf();
    const steps = plan.steps.flatMap((step) => (step.kind === 'applyProfile' ? [step] : []));
    expect(steps.map((step) => [step.host, Object.keys(step.settings)])).toEqual(
      stage.lab.hosts.map(({ name }) => [name, NETWORK.map(({ key }) => key)]),
    );
    const note = plan.notes.find((one) => one.includes('vm.swappiness'));
    expect(note).toMatch(/^OS of h1, h2, h3: vm\.overcommit_memory .* as it is a container \(docker\)/);
  });

  it('refuses the operation where the spec does not accept that', async () => {
    const strict = await stage.variant((document) => document.setIn(['os', 'denied'], 'refuse'));
    const { exitCode, plan } = await planOf(strict);
    expect(exitCode).toBe(3);
    expect(plan.refusals).toHaveLength(3);
    expect(plan.refusals[0]?.what).toContain('Host h1 does not allow what the OS profile wants (it is a container');
  });

  it('is set, kept and read back by apply, and the machine beneath stays as it was, byte by byte', async () => {
    const { exitCode, stderr, report } = await stage.apply();
    expect(exitCode, stderr).toBe(0);
    const effects = report.steps.filter(({ id }) => id.startsWith('applyProfile')).flatMap((step) => step.effects);
    expect(effects.filter((effect) => effect.includes('net.core.somaxconn'))).toHaveLength(3);
    for (const at of stage.lab.hosts) {
      for (const { key, wanted } of NETWORK) expect(await on(at, 'sysctl', '-n', key)).toBe(wanted);
    }
    expect({ ...(await machineSettings()), ...(await networkSettings()) }).toEqual(before);
    expect(await planOf()).toMatchObject({ exitCode: 0, plan: { refusals: [], steps: [] } });
  });

  it('is no way to the machine by hand either: the helper refuses what is not its own', async () => {
    const whole = OS_PROFILE.map(({ key, wanted }) => `${key}=${wanted}`);
    const answer = await on(host(0), `${host(0).root}/bin/redisforge-host`, '--by-hand', 'tester', 'profile', ...whole);
    expect(answer.split('\n').filter((line) => line.startsWith('denied'))).toHaveLength(
      OS_PROFILE.length - NETWORK.length,
    );
    expect({ ...(await machineSettings()), ...(await networkSettings()) }).toEqual(before);
  });

  it('comes back with the next boot', async () => {
    await faults.reboot(host(0), 10_000);
    await until('the settings of the boot', async () => (await somaxconn(host(0))) === '65535');
    await until('the cluster is healthy', async () => (await stage.status()).status.healthy, 60_000);
  });

  it('that was changed by hand is shown in status with both values, and healed by apply', async () => {
    await on(host(1), 'sysctl', '-w', 'net.core.somaxconn=128');
    const { status } = await stage.status();
    expect(status.findings.filter(({ code }) => code === 'OsDrift')).toMatchObject([
      { host: 'h2', severity: 'warning', evidence: 'h2: net.core.somaxconn 128 instead of at least 65535.' },
    ]);
    const { exitCode, report } = await stage.apply();
    expect(exitCode).toBe(0);
    expect(report.steps.map(({ id }) => id)).toEqual(['applyProfile/h2']);
    expect(await somaxconn(host(1))).toBe('65535');
    expect((await stage.status()).status.findings.map(({ code }) => code)).not.toContain('OsDrift');
  });
});
