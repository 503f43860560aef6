import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { Engine } from '../../lab/engines.js';

const run = promisify(execFile);

/** A signed Debian repository of the test's own, served over HTTP on all addresses of this machine. */
export interface PackageRepository {
  readonly port: number;
  /** Path of the public key that has signed it, armored. */
  readonly key: string;
  /** Of a key that has signed nothing. */
  readonly strangersKey: string;
  readonly versions: readonly string[];
  close(): Promise<void>;
}

const SUITE = 'stable';

/** With one package, which brings an engine, a unit of its own name, and a script that starts it. */
export async function openPackageRepository(
  name: string,
  engine: Engine,
  versions: readonly string[],
): Promise<PackageRepository> {
  const folder = await mkdtemp(join(tmpdir(), 'redisforge-repository-'));
  const site = join(folder, 'site');
  await mkdir(join(site, `dists/${SUITE}/main/binary-all`), { recursive: true });
  const packages = await Promise.all(versions.map((version) => buildPackage({ folder, site, name, engine, version })));
  const index = packages.join('\n');
  const arch = (await run('dpkg', ['--print-architecture'])).stdout.trim();
  const listed = `main/binary-${arch}/Packages`;
  await mkdir(join(site, `dists/${SUITE}/main/binary-${arch}`), { recursive: true });
  await writeFile(join(site, `dists/${SUITE}/${listed}`), index);
  const release = `Origin: test\nSuite: ${SUITE}\nCodename: ${SUITE}\nArchitectures: ${arch}\nComponents: main\nDate: ${new Date().toUTCString()}\nSHA256:\n ${sha256(index)} ${index.length} ${listed}\n`;
  await writeFile(join(site, `dists/${SUITE}/Release`), release);
  const key = await makeKey(join(folder, 'vendor'));
  const strangersKey = await makeKey(join(folder, 'stranger'));
  await gpg(join(folder, 'vendor'), [
    '--clearsign',
    '-o',
    join(site, `dists/${SUITE}/InRelease`),
    join(site, `dists/${SUITE}/Release`),
  ]);
  const server = createServer((request, response) => {
    readFile(join(site, new URL(request.url ?? '/', 'http://site').pathname)).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    key,
    strangersKey,
    versions,
    async close() {
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface PackageRequest {
  readonly folder: string;
  readonly site: string;
  readonly name: string;
  readonly engine: Engine;
  readonly version: string;
}

/** Its paragraph of the index. */
async function buildPackage({ folder, site, name, engine, version }: PackageRequest): Promise<string> {
  const content = join(folder, `${name}-${version}`);
  const home = join(engine.server, '../..');
  await mkdir(join(content, 'usr/lib'), { recursive: true });
  await mkdir(join(content, 'usr/bin'));
  await mkdir(join(content, 'DEBIAN'));
  await mkdir(join(content, 'lib/systemd/system'), { recursive: true });
  await cp(home, join(content, `usr/lib/${name}`), { recursive: true });
  await symlink(`../lib/${name}/bin/${basename(engine.server)}`, join(content, `usr/bin/${name}-server`));
  await writeFile(
    join(content, `lib/systemd/system/${name}.service`),
    '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n',
  );
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: an engine\n`;
  await writeFile(join(content, 'DEBIAN/control'), control);
  await writeFile(
    join(content, 'DEBIAN/postinst'),
    `#!/bin/sh\nset -e\nsystemctl daemon-reload\ndeb-systemd-invoke start ${name}.service || :\n`,
    { mode: 0o755 },
  );
  const file = `${name}_${version}_all.deb`;
  await run('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z1', '-b', content, join(site, file)]);
  const bytes = await readFile(join(site, file));
  return `${control}Filename: ${file}\nSize: ${(await stat(join(site, file))).size}\nSHA256: ${sha256(bytes)}\n`;
}

async function makeKey(home: string): Promise<string> {
  await mkdir(home, { mode: 0o700 });
  await gpg(home, [
    '--passphrase',
    '',
    '--quick-gen-key',
    `${basename(home)} <nobody@example.org>`,
    'rsa2048',
    'sign',
    'never',
  ]);
  const { stdout } = await gpg(home, ['--armor', '--export']);
  await writeFile(join(home, 'key.asc'), stdout);
  return join(home, 'key.asc');
}

function gpg(home: string, argv: readonly string[]) {
  return run('gpg', ['--homedir', home, '--batch', '--yes', '--pinentry-mode', 'loopback', ...argv]);
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
