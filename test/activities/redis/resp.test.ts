import { describe, expect, it } from 'vitest';
import { asText, encodeCommands, NotResp, RefusedReply, ReplyReader } from '../../../activities/redis/resp.js';

const REPLIES =
  '+OK\r\n:42\r\n$-1\r\n$4\r\na\r\nb\r\n*3\r\n$1\r\nk\r\n*2\r\n:-1\r\n*0\r\n*-1\r\n-ERR no such thing\r\n*0\r\n';
const READ = ['OK', 42, null, 'a\r\nb', ['k', [-1, []], null], new RefusedReply('ERR no such thing'), []];

describe('replies', () => {
  it.each([1, 2, 3, 7, 1000])('are read from pieces of %i bytes', (size) => {
    const bytes = Buffer.from(REPLIES);
    const reader = new ReplyReader();
    const read = [];
    for (let at = 0; at < bytes.length; at += size) read.push(...reader.read(bytes.subarray(at, at + size)));
    expect(read.map(asText)).toEqual(READ);
  });

  it('keep bytes that are no text', () => {
    const [value] = new ReplyReader().read(Buffer.from([...Buffer.from('$3\r\n'), 0xff, 0x00, 0xc3, 13, 10]));
    expect(value).toEqual(Buffer.from([0xff, 0x00, 0xc3]));
  });

  it('of many keys are read once, however small the pieces', () => {
    const keys = Array.from({ length: 200_000 }, (_, n) => `key:${n}`);
    const bytes = Buffer.from(`*${keys.length}\r\n${keys.map((key) => `$${key.length}\r\n${key}\r\n`).join('')}`);
    const reader = new ReplyReader();
    const read = [];
    const startedAt = performance.now();
    for (let at = 0; at < bytes.length; at += 512) read.push(...reader.read(bytes.subarray(at, at + 512)));
    expect(asText(read[0] ?? null)).toEqual(keys);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it.each(['HTTP/1.1 400 Bad Request\r\n', '$a\r\n', '+OK\rx'])('that are none are refused: %j', (text) => {
    expect(() => new ReplyReader().read(Buffer.from(text))).toThrow(NotResp);
  });
});

describe('commands', () => {
  it('are written one behind the other, bytes as they are', () => {
    const written = encodeCommands([['SET', Buffer.from([0xff]), 'ключ', 12], ['PING']]);
    const expected = [
      '*4\r\n$3\r\nSET\r\n$1\r\n',
      Buffer.from([0xff]),
      '\r\n$8\r\nключ\r\n$2\r\n12\r\n*1\r\n$4\r\nPING\r\n',
    ];
    expect(written).toEqual(Buffer.concat(expected.map((part) => Buffer.from(part))));
  });
});
