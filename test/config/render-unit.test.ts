import { describe, expect, it } from 'vitest';
import { nodeModes, renderNodeFiles } from '../../config/render.js';
import { renderUnit } from '../../config/render-unit.js';
import { type NodeSecrets, Secret } from '../../config/secrets.js';
import { hostOf, specOf } from '../support/spec.js';

const base = specOf();
const spec = specOf({
  service: { method: 'systemd', user: 'redis' },
  redis: { ...base.redis, maxmemoryBytes: 64 * 2 ** 30, nofile: 16_384 },
});
const host = hostOf('h1');
const secret = { current: new Secret('a secret that is long enough') };
const secrets: NodeSecrets = { operator: secret, replication: secret, app: secret, admin: secret };

describe('the unit', () => {
  const unit = renderUnit(spec, host);
  const lines = unit?.content.split('\n') ?? [];

  it('is there only where systemd runs the nodes, and has no secret', () => {
    expect(renderUnit(base, host)).toBeNull();
    expect(unit).toMatchObject({
      name: 'redisforge-orders@.service',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(unit?.content).not.toContain(secret.current.reveal());
    expect(renderUnit(spec, host)).toEqual(unit);
  });

  it('lets a big node save, has the limits of the spec, and asks the guard before each start', () => {
    // 64 GiB at 20 MiB a second, and a minute.
    expect(lines).toContain('TimeoutStopSec=3337');
    expect(lines).toContain('LimitNOFILE=16384');
    const helper = '/var/lib/redisforge/bin/redisforge-host --root /var/lib/redisforge';
    expect(lines).toContain(`ExecCondition=+${helper} node guard %i`);
    expect(lines).toContain(`ExecStart=${helper} node run %i`);
    expect(lines[1]).toBe(`# uid ${spec.uid}`);
  });

  it('is written for an account that reads its files and writes its data', () => {
    const files = renderNodeFiles({ spec, host, port: 6379, secrets });
    expect(files.map(({ mode }) => mode)).toEqual(Array(3).fill('640:root:redis'));
    expect(files.find(({ role }) => role === 'service')?.content.split('\n')[0]).toBe(
      'systemd redisforge-orders@6379.service',
    );
    expect(nodeModes(base)).toMatchObject({ own: '700', file: '600' });
  });
});
