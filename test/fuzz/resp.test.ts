import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCommands, NotResp, RefusedReply, ReplyReader, type Value } from '../../activities/redis/resp.js';
import { type Check, holds, notices, SEED } from './seeded.js';

const bytes = fc.uint8Array({ maxLength: 40 }).map((all) => Buffer.from(all));
const line = fc.string({ maxLength: 20, unit: fc.constantFrom(...'abc *$:-+0') });
const scalar: fc.Arbitrary<Value> = fc.oneof(
  bytes,
  fc.integer(),
  fc.constant(null),
  line.map((text) => new RefusedReply(text)),
);
const value: fc.Arbitrary<Value> = fc.oneof(
  scalar,
  fc.array(fc.oneof(scalar, fc.array(scalar, { maxLength: 3 })), { maxLength: 6 }),
);

/** As a server writes it. */
function written(one: Value): Buffer {
  if (one === null) return Buffer.from('$-1\r\n');
  if (typeof one === 'number') return Buffer.from(`:${one}\r\n`);
  if (one instanceof RefusedReply) return Buffer.from(`-${one.message}\r\n`);
  if (Array.isArray(one)) return Buffer.concat([Buffer.from(`*${one.length}\r\n`), ...one.map(written)]);
  return Buffer.concat([Buffer.from(`$${one.length}\r\n`), one, Buffer.from('\r\n')]);
}

interface Stream {
  readonly values: readonly Value[];
  /** Where the bytes are cut, as they come from the network. */
  readonly cuts: readonly number[];
}

const stream: fc.Arbitrary<Stream> = fc.record({
  values: fc.array(value, { minLength: 1, maxLength: 8 }),
  cuts: fc.array(fc.nat(400), { maxLength: 12 }),
});

type Read = (pieces: readonly Buffer[]) => Value[];

const read: Read = (pieces) => {
  const reader = new ReplyReader();
  return pieces.flatMap((piece) => reader.read(piece));
};

function piecesOf(all: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set(cuts.map((cut) => cut % (all.length + 1)))].sort((a, b) => a - b);
  return [...ends, all.length].map((end, i) => all.subarray(ends[i - 1] ?? 0, end));
}

function isReadWhole(reading: Read): Check<Stream> {
  return ({ values, cuts }) => {
    expect(reading(piecesOf(Buffer.concat(values.map(written)), cuts))).toEqual(values);
  };
}

interface Blow {
  readonly stream: Stream;
  readonly at: number;
  readonly with: Buffer;
}

const hostile: fc.Arbitrary<Blow> = fc.record({
  stream,
  at: fc.nat(400),
  with: fc.oneof(
    bytes,
    fc
      .constantFrom(
        '*1\r\n'.repeat(500),
        '$99999999999999999999\r\n',
        '*-2\r\n',
        '$\r\n',
        ':1e9\r\n',
        '\r\n',
        '*4294967296\r\n',
        'HTTP/1.1 400\r\n',
      )
      .map((text) => Buffer.from(text)),
  ),
});

function depthOf(one: Value): number {
  return Array.isArray(one) ? 1 + Math.max(0, ...one.map(depthOf)) : 0;
}

/** Whatever was damaged: what came before is read as it was, and the rest is refused, waited for, or read as something that can be walked through. */
function isSurvived(reading: Read): Check<Blow> {
  return ({ stream: { values, cuts }, at, with: damage }) => {
    const whole = values.map(written);
    const all = Buffer.concat(whole);
    const place = at % (all.length + 1);
    const pieces = piecesOf(Buffer.concat([all.subarray(0, place), damage, all.subarray(place)]), cuts);
    try {
      for (const one of reading(pieces)) {
        expect(depthOf(one)).toBeLessThanOrEqual(40);
        if (typeof one === 'number') expect(one).not.toBeNaN();
      }
    } catch (error) {
      expect(error).toBeInstanceOf(NotResp);
    }
  };
}

describe(`replies of a server (seed ${SEED})`, () => {
  it('are read as they were written, in whatever pieces they come', () => holds(stream, isReadWhole(read)));

  it('are refused or understood, whatever came in between', () => holds(hostile, isSurvived(read)));

  it('would be noticed if a piece were read by itself', () =>
    notices(
      stream,
      isReadWhole((pieces) => pieces.flatMap((piece) => new ReplyReader().read(piece))),
    ));

  it('would be noticed if numbers were taken as they are', () =>
    notices(
      hostile,
      isSurvived((pieces) => read(pieces).map((one) => (one === null ? Number.NaN : one))),
    ));
});

describe(`commands (seed ${SEED})`, () => {
  const words = fc.array(fc.oneof(bytes, fc.string({ unit: 'binary' }), fc.integer()), { minLength: 1, maxLength: 5 });

  it('are read by a server as the words that they are, whatever bytes are in them', () =>
    holds(fc.array(words, { minLength: 1, maxLength: 4 }), (commands) => {
      const wanted = commands.map((one) =>
        one.map((word) => (Buffer.isBuffer(word) ? word : Buffer.from(String(word), 'utf8'))),
      );
      // A command has the form of a reply.
      expect(read([encodeCommands(commands)])).toEqual(wanted);
    }));
});
