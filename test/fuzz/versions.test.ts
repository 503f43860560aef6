import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capabilitiesOf, identityFromWords, type ServerIdentity } from '../../domain/capabilities.js';
import { ruleProblems } from '../../domain/spec-rules.js';
import { isVersion } from '../../domain/version.js';
import { specOf } from '../support/spec.js';
import { hostileNumber, hostileText } from './hostile.js';
import { type Check, holds, notices, SEED } from './seeded.js';

const part = fc.oneof(fc.nat(12), fc.constantFrom(99, 1_000_000));
const numbers = fc.tuple(part, part, part);
const engine = fc.constantFrom('redis' as const, 'valkey' as const);
const suffix = fc.constantFrom('', '', '', '-rc1', '~deb12u1', '+dfsg', '.1');

interface Input {
  readonly engine: ServerIdentity['engine'];
  readonly running: readonly [number, number, number];
  readonly suffix: string;
  readonly wanted: readonly [number, number, number];
  readonly parts: number;
  readonly odd: string;
}
const inputs: fc.Arbitrary<Input> = fc.record({
  engine,
  running: numbers,
  suffix,
  wanted: numbers,
  parts: fc.integer({ min: 2, max: 3 }),
  odd: fc.oneof(
    hostileText,
    hostileNumber,
    fc.tuple(hostileNumber, hostileNumber).map((pair) => pair.join('.')),
  ),
});

const late = ([major, minor]: readonly number[], from: readonly [number, number]) =>
  (major ?? 0) > from[0] || (major === from[0] && (minor ?? 0) >= from[1]);

interface Words {
  readonly matches: typeof isVersion;
  readonly read: typeof identityFromWords;
}

/** Versions compare as numbers part by part, a version is no beginning of another number, and other texts are no versions. */
function compare({ matches, read }: Words): Check<Input> {
  return ({ engine: kind, running, suffix: end, wanted, parts, odd }) => {
    const version = `${running.join('.')}${end}`;
    const beginning = wanted.slice(0, parts);
    const same = beginning.every((number, i) => number === running[i]) && (parts < 3 || !/^[-~+]/.test(end));
    expect(matches(version, beginning.join('.'))).toBe(same);
    const said = `${kind === 'redis' ? 'Redis' : 'Valkey'} server v=${version} sha=00000000:0 malloc=jemalloc bits=64`;
    expect(read(said)).toEqual({ engine: kind, version });

    const { slotMover, slotRanges } = capabilitiesOf({ engine: kind, version });
    expect(slotMover !== null).toBe(late(running, kind === 'redis' ? [8, 4] : [9, 0]));
    expect(slotRanges).toBe(kind === 'valkey' || late(running, [7, 0]));
    const problems = ruleProblems(specOf({ engine: { kind, version: beginning.join('.') } }));
    const supported =
      kind === 'redis'
        ? late(beginning, [6, 2]) && (beginning[0] ?? 0) < 9
        : late(beginning, [7, 2]) && (beginning[0] ?? 0) < 10;
    expect(problems.some(({ path }) => path.join('.') === 'engine.version')).toBe(!supported);

    expect(() => capabilitiesOf({ engine: kind, version: odd })).not.toThrow();
    const identity = read(`Redis server v=${odd}`);
    if (identity !== null) expect(identity.version).toMatch(/^[0-9A-Za-z.+~_-]{1,64}$/);
  };
}

const WORDS: Words = { matches: isVersion, read: identityFromWords };

describe(`versions (seed ${SEED})`, () => {
  it('compare by their parts, and other texts are none', () => holds(inputs, compare(WORDS)));

  it.each<[string, Partial<Words>]>([
    ['compared as text', { matches: (running, wanted) => running.startsWith(wanted) }],
    ['compared as numbers', { matches: (running, wanted) => Number.parseFloat(running) === Number.parseFloat(wanted) }],
    [
      'any word',
      {
        read: (words) => ({
          engine: words.startsWith('V') ? 'valkey' : 'redis',
          version: /v=(\S*)/.exec(words)?.[1] ?? '',
        }),
      },
    ],
  ])('would be noticed if they were %s', (_, change) => notices(inputs, compare({ ...WORDS, ...change })));
});
