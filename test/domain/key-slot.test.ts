import { describe, expect, it } from 'vitest';
import { keySlot } from '../../domain/key-slot.js';
import { smokeKeys, writablePrefix } from '../../domain/smoke-keys.js';

describe('keySlot', () => {
  it.each([
    // As CLUSTER KEYSLOT of a 7.0.15 server answers.
    ['123456789', 12739],
    ['foo', 12182],
    ['', 0],
    ['{user1000}.following', 3443],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', 4015],
    ['foo{bar}{zap}', 5061],
  ])('of %j is %i', (key, slot) => {
    expect(keySlot(key)).toBe(slot);
  });
});

describe('writablePrefix', () => {
  it.each([
    ['~*', ''],
    ['allkeys', ''],
    ['~orders:*', 'orders:'],
    ['%R~shared:* ~orders:*', 'orders:'],
    ['%RW~both:*', 'both:'],
    ['~one ~or?ers:* %W~queue:*', null],
    ['', null],
  ])('of %j is %j', (patterns, prefix) => {
    expect(writablePrefix(patterns)).toBe(prefix);
  });
});

describe('smokeKeys', () => {
  const ownerOf = (slot: number) => `m${Math.floor(slot / 5462)}`;

  it('finds a key for every owner, each with a sibling in the same slot', () => {
    const keys = smokeKeys({ prefix: 'orders:', token: 't', ownerOf });
    expect([...keys.keys()].sort()).toEqual(['m0', 'm1', 'm2']);
    for (const [owner, { key, sibling, slot }] of keys) {
      expect(key.startsWith('orders:redisforge:smoke:t:{')).toBe(true);
      expect([keySlot(key), keySlot(sibling)]).toEqual([slot, slot]);
      expect(ownerOf(slot)).toBe(owner);
    }
  });

  it('reaches one owner only where the prefix has a hash tag of its own', () => {
    expect(smokeKeys({ prefix: '{orders}:', token: 't', ownerOf }).size).toBe(1);
  });
});
