import { describe, expect, it } from 'vitest';
import { completeInstall } from '../../config/complete-install.js';
import { installSchema } from '../../config/schema-install.js';
import type { RuleProblem } from '../../domain/spec-path.js';

const SHA = 'a'.repeat(64);

function read(install: unknown, kind: 'redis' | 'valkey' = 'redis') {
  const problems: RuleProblem[] = [];
  const places = { folder: '/specs', home: '/home/anna' };
  const spec = completeInstall(
    { install: installSchema.parse(install), engine: { kind, version: '8.1' } },
    { places, problems },
  );
  return { spec, problems: problems.map(({ path }) => path.join('.')) };
}

describe('install in a spec', () => {
  it('is the program of the engine where nothing is said', () => {
    expect(read({}, 'valkey').spec).toEqual({ method: 'preinstalled', server: '/usr/bin/valkey-server' });
  });

  it('takes an archive from the folder of the spec, or from an address by way of the worker', () => {
    expect(read({ method: 'archive', file: 'redis.tgz', sha256: SHA }).spec).toMatchObject({
      source: { from: 'file', path: '/specs/redis.tgz' },
      server: 'bin/redis-server',
    });
    const url = 'https://example.org/valkey.tar.gz';
    expect(read({ method: 'archive', url, sha256: SHA }, 'valkey').spec).toMatchObject({
      source: { from: 'url', url, via: 'worker' },
      server: 'bin/valkey-server',
    });
  });

  it('says what does not go together', () => {
    expect(read({ method: 'archive', sha256: SHA }).problems).toEqual(['install']);
    expect(read({ method: 'archive', file: 'a', url: 'http://b/c', sha256: SHA }).problems).toEqual(['install']);
    expect(read({ method: 'archive', file: 'a', via: 'host', sha256: SHA }).problems).toEqual(['install.via']);
    const repository = { url: 'https://example.org/deb', key: 'key.asc', keySha256: SHA };
    expect(read({ method: 'package', version: '1', repository }).problems).toEqual(['install.repository']);
    expect(read({ method: 'package', manager: 'dnf', version: '1', repository }).problems).toEqual([]);
  });

  it('names the usual packages of each manager', () => {
    expect(read({ method: 'package', version: '1' }, 'valkey').spec).toMatchObject({
      manager: 'apt',
      name: 'valkey-server',
    });
    expect(read({ method: 'package', manager: 'dnf', version: '1' }).spec).toMatchObject({
      name: 'redis',
      server: '/usr/bin/redis-server',
    });
  });

  it.each([
    { method: 'archive', file: 'a', sha256: 'ABC' },
    { method: 'archive', file: 'a', sha256: SHA, server: '../redis-server' },
    { method: 'archive', file: 'a', sha256: SHA, server: '/bin/redis-server' },
    { method: 'archive', file: 'a', sha256: SHA, server: 'bin/..' },
    { method: 'archive', url: 'https://anna:secret@example.org/x', sha256: SHA },
    { method: 'archive', url: 'ftp://example.org/x', sha256: SHA },
    { method: 'package', version: '--force' },
    { method: 'package', version: '1; reboot' },
    { method: 'package', name: '-y', version: '1' },
    { method: 'package' },
    { method: 'image' },
  ])('refuses %j', (install) => {
    expect(installSchema.safeParse(install).success).toBe(false);
  });
});
