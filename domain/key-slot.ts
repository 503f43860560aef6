import { SLOT_COUNT } from './slots.js';

/** The hash slot of a key: CRC16 (XMODEM) of its hash tag, else of the whole key, as the Redis Cluster specification has it. */
export function keySlot(key: string): number {
  return crc16(new TextEncoder().encode(hashTag(key))) % SLOT_COUNT;
}

/** What stands between the first `{` and the next `}`, where that is not nothing. */
function hashTag(key: string): string {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}

function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    crc &= 0xffff;
  }
  return crc;
}
