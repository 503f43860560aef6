import { describe, expect, it } from 'vitest';
import { evicts, hazardOf } from '../../domain/setting-hazards.js';
import { fixedAtStart, inSafeOrder, sameSetting, type SettingChange } from '../../domain/settings.js';

const change = (setting: string, running: string, wanted: string): SettingChange => ({ setting, running, wanted });

describe('a setting', () => {
  it.each([
    { one: 'notice', other: 'NOTICE', same: true },
    { one: 'volatile-lru', other: 'Volatile-LRU', same: true },
    { one: '', other: '', same: true },
    { one: '5', other: '05', same: false },
    { one: '/srv/App', other: '/srv/app', same: false },
    { one: 'yes', other: 'no', same: false },
  ])('is the same as another in Redis’s eyes: $one and $other: $same', ({ one, other, same }) => {
    expect(sameSetting(one, other)).toBe(same);
  });

  it('is read only at the start, or at any time, as the server has it', () => {
    const redis = { engine: 'redis', version: '8.0.1' } as const;
    expect(['io-threads', 'databases', 'aclfile', 'tcp-backlog'].every((name) => fixedAtStart(name, redis))).toBe(true);
    expect(['maxclients', 'appendonly', 'cluster-node-timeout'].some((name) => fixedAtStart(name, redis))).toBe(false);
    expect(fixedAtStart('io-threads', { engine: 'valkey', version: '8.1.3' })).toBe(true);
    expect(fixedAtStart('io-threads', { engine: 'valkey', version: '9.0.0' })).toBe(false);
  });

  it('of memory is raised before the policy changes and lowered after it', () => {
    const policy = change('maxmemory-policy', 'noeviction', 'allkeys-lru');
    const clients = change('maxclients', '5', '6');
    const names = (changes: SettingChange[]) => inSafeOrder(changes).map(({ setting }) => setting);
    expect(names([clients, policy, change('maxmemory', '1', '2')])).toEqual([
      'maxmemory',
      'maxclients',
      'maxmemory-policy',
    ]);
    expect(names([change('maxmemory', '0', '2'), policy])).toEqual(['maxmemory-policy', 'maxmemory']);
    expect(names([policy, change('maxmemory', '2', '0')])).toEqual(['maxmemory', 'maxmemory-policy']);
  });
});

describe('lowering a limit', () => {
  const node = { name: 'h1:6379', usedMemoryBytes: 700, connectedClients: 50 };
  const hazard = (what: SettingChange, policy = 'noeviction') => hazardOf({ change: what, node, policy });

  it.each([change('maxmemory', '1000', '699'), change('maxmemory', '0', '699'), change('maxclients', '1000', '49')])(
    'below what is in use is refused with the numbers: $setting $running to $wanted',
    (what) => {
      const text = hazard(what)?.what ?? '';
      expect(text).toContain('h1:6379');
      for (const number of [what.running, what.wanted, what.setting === 'maxmemory' ? '700' : '50']) {
        expect(text).toContain(number);
      }
    },
  );

  it.each([
    change('maxmemory', '1000', '700'),
    change('maxmemory', '600', '650'),
    change('maxmemory', '600', '0'),
    change('maxclients', '1000', '50'),
    change('maxclients', '10', '20'),
    change('repl-backlog-size', '1000', '1'),
  ])('to what still fits, raising it, and other settings are let through: $setting $running to $wanted', (what) => {
    expect(hazard(what)).toBeNull();
  });

  it('evicts where keys may be evicted, and is let through there', () => {
    const lower = change('maxmemory', '1000', '699');
    expect(hazard(lower, 'allkeys-lru')).toBeNull();
    expect(evicts({ change: lower, node, policy: 'allkeys-lru' })).toBe(true);
    expect(evicts({ change: lower, node, policy: 'noeviction' })).toBe(false);
    expect(evicts({ change: change('maxmemory', '1000', '700'), node, policy: 'allkeys-lru' })).toBe(false);
  });
});
