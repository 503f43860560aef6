import { describe, expect, it } from 'vitest';
import { capabilitiesOf, identityFromWords, identityWords } from '../../domain/capabilities.js';

describe('what a server can do', () => {
  it.each([
    ['redis', '6.2.14', false, null],
    ['redis', '7.0', true, null],
    ['redis', '8.2.9', true, null],
    ['redis', '8.4.0', true, 'target'],
    ['redis', '8.10.1', true, 'target'],
    ['redis', '10.0.0', true, 'target'],
    ['valkey', '7.2.5', true, null],
    ['valkey', '8.1', true, null],
    ['valkey', '9.0.0', true, 'source'],
  ] as const)('%s %s', (engine, version, modern, mover) => {
    const can = capabilitiesOf({ engine, version });
    expect([can.slotRanges, can.shards, can.aclSelectors, can.logInParts]).toEqual([modern, modern, modern, modern]);
    expect(can.unknownDirectives.has('aof-timestamp-enabled')).toBe(!modern);
    expect(can.slotMover?.asked ?? null).toBe(mover);
    expect(can.settableWhileRunning.has('io-threads')).toBe(engine === 'valkey' && version.startsWith('9'));
  });

  it('is told by the words of its program', () => {
    expect(identityFromWords('Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc')).toEqual({
      engine: 'redis',
      version: '7.0.15',
    });
    expect(identityFromWords('Valkey server v=9.1.2 sha=0')).toEqual({ engine: 'valkey', version: '9.1.2' });
    expect(identityFromWords('redis-check-rdb 7.0.15')).toBeNull();
    expect(identityWords({ engine: 'valkey', version: '9.1' })).toBe('Valkey server v=9.1');
  });
});
