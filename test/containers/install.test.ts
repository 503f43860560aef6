import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Document } from 'yaml';
import { requireEngine } from '../../lab/engines.js';
import { failureOf } from '../support/failure.js';
import { openPackageRepository, type PackageRepository, sha256 } from '../support/package-repository.js';
import { openSystemdLab, type SystemdLab } from '../support/systemd-lab.js';

let hosts: SystemdLab;
let repository: PackageRepository;
let url: string;
beforeAll(async () => {
  hosts = await openSystemdLab({ hosts: 1, nodesPerHost: 3 });
  repository = await openPackageRepository('forge-redis', await requireEngine('redis-8.6'), ['8.6.1-1', '8.6.2-1']);
  await hosts.sh('h1', "echo 'operator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/redisforge");
  // What the image comes with is not ours: the host is to have no server.
  await hosts.sh('h1', 'dpkg --purge redis-server redis-tools');
  const gateway = await hosts.sh('h1', 'ip route | awk \'$1 == "default" { print $3 }\'');
  url = `http://${gateway}:${repository.port}`;
}, 300_000);
afterAll(async () => {
  await repository?.close();
  await hosts?.close();
});

const onHost = (command: string) => hosts.sh('h1', command);

function wanting(version: string, install: Record<string, unknown>, kind = 'redis') {
  return hosts.variant((document: Document) => {
    document.set('engine', { kind, version });
    document.set('install', install);
  });
}

/** Installs by this spec; what was done. */
async function install(wanted: Awaited<ReturnType<typeof wanting>>): Promise<readonly string[]> {
  const { spec } = wanted;
  const { effects } = await wanted.holding((token) =>
    hosts.activities.installEngine({ spec, host: 'h1', token: token('installEngine/h1') }),
  );
  return effects;
}

describe('a package of the host', () => {
  it('that is not there is refused with the versions that are', async () => {
    const wanted = await wanting('7.0', { method: 'package', version: '5:7.0.99-1' });
    expect((await wanted.plan()).steps.map(({ id }) => id)).toContain('installEngine/h1');
    const failure = await failureOf(install(wanted));
    expect(failure.message).toMatch(/has no redis-server 5:7\.0\.99-1; there are: .*5:7\.0\.15-\S+/);
  });

  it('is installed in exactly the pinned version, held, and its own service does not start', async () => {
    const version =
      (await onHost("apt-cache madison redis-server | awk -F '|' '{ gsub(/ /, \"\", $2); print $2; exit }'")) || 'none';
    const wanted = await wanting('7.0', { method: 'package', version });
    expect(await install(wanted)).toContain(`h1: installed and held package redis-server ${version}`);
    expect(await onHost("dpkg-query -W -f '${Version}' redis-server; apt-mark showhold")).toBe(
      `${version}redis-server`,
    );
    expect(await onHost('systemctl is-active redis-server || :')).toBe('inactive');
    expect(await onHost('ls /usr/sbin/policy-rc.d 2>&1 || :')).toContain('No such file');
    expect((await wanted.plan()).steps.map(({ id }) => id)).not.toContain('installEngine/h1');
    expect((await wanted.survey('h1')).exam.installedPackage).toEqual({ version, held: true });
  });

  it('whose program is not the engine of the spec is refused before a node is started', async () => {
    const version = await onHost("dpkg-query -W -f '${Version}' redis-server");
    const failure = await failureOf(install(await wanting('7.2', { method: 'package', version })));
    expect(failure.message).toMatch(/the spec wants "Redis server v=7\.2".*says "Redis server v=7\.0\.15/);
  });

  it('is finished where an installation was cut off in the middle', async () => {
    const version = await onHost("dpkg-query -W -f '${Version}' redis-server");
    await onHost('apt-mark unhold redis-server; dpkg --purge redis-server redis-tools');
    await onHost(
      'cd /tmp && apt-get -q download redis-tools redis-server && dpkg --unpack redis-tools_*.deb && rm *.deb',
    );
    expect(await onHost('dpkg --audit')).not.toBe('');
    await install(await wanting('7.0', { method: 'package', version }));
    expect(await onHost('dpkg --audit; apt-mark showhold')).toBe('redis-server');
  });
});

describe("a package of the vendor's signed repository", () => {
  const from = async (key: string, change: Record<string, unknown> = {}) => ({
    method: 'package',
    name: 'forge-redis',
    version: '8.6.1-1',
    server: '/usr/bin/forge-redis-server',
    repository: { url, suite: 'stable', key, keySha256: sha256(await readFile(key)) },
    ...change,
  });

  it('that another key has signed is refused', async () => {
    const failure = await failureOf(install(await wanting('8.6', await from(repository.strangersKey))));
    expect(failure.message).toMatch(/its package manager says: .*(NO_PUBKEY|is not signed)/);
    expect(await onHost('dpkg -l forge-redis 2>&1 || :')).toContain('no packages found');
  });

  it('whose key is not the pinned one is refused before the host is touched', async () => {
    const wanted = await from(repository.key);
    const other = { ...wanted, repository: { ...wanted.repository, keySha256: 'f'.repeat(64) } };
    const failure = await failureOf(install(await wanting('8.6', other)));
    expect(failure.message).toContain(sha256(await readFile(repository.key)));
  });

  it('is installed in the pinned version though a newer one is there, and held', async () => {
    const wanted = await wanting('8.6', await from(repository.key));
    expect(await install(wanted)).toContain('h1: installed and held package forge-redis 8.6.1-1');
    expect(await onHost('apt-mark showhold')).toContain('forge-redis');
    expect(await onHost('systemctl is-active forge-redis || :')).toBe('inactive');
    expect((await wanted.survey('h1')).exam.serverVersion).toMatch(/^Redis server v=8\.6\./);
    expect((await wanted.plan()).steps.map(({ id }) => id)).not.toContain('installEngine/h1');
  });

  it('runs nodes under systemd, and is not changed under them', async () => {
    const wanted = await wanting('8.6', await from(repository.key));
    const { plan, effects } = await wanted.apply();
    expect(plan.steps.map(({ id }) => id)).toContain('formCluster');
    expect(effects.length).toBeGreaterThan(0);
    expect(await wanted.plan()).toMatchObject({ steps: [], refusals: [] });
    const newer = await wanting('8.6', await from(repository.key, { version: '8.6.2-1' }));
    expect((await newer.plan()).steps.map(({ id }) => id)).not.toContain('installEngine/h1');
  });
});

describe('an archive under systemd', () => {
  it('is run by the account of the nodes, each by a link of its own, from a file of the worker', async () => {
    const bare = await openSystemdLab({ hosts: 1, nodesPerHost: 3 });
    try {
      await bare.sh('h1', "echo 'operator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/redisforge");
      const engine = await requireEngine('valkey-9.1');
      const wanted = await bare.variant((document: Document) => {
        document.set('engine', { kind: 'valkey', version: '9.1' });
        document.set('install', { method: 'archive', file: engine.archive, sha256: engine.sha256 });
      });
      const { plan } = await wanted.apply();
      expect(plan.steps.map(({ id }) => id)).toContain('installEngine/h1');
      expect(await wanted.plan()).toMatchObject({ steps: [], refusals: [] });
      const { exam, nodes } = await wanted.survey('h1');
      expect(exam.serverVersion).toMatch(/^Valkey server v=9\.1\./);
      expect(nodes.map(({ method, service }) => [method, service.state])).toEqual(
        Array(3).fill(['systemd', 'running']),
      );
    } finally {
      await bare.close();
    }
  });
});
