import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quoteArgv } from '../../activities/ssh/quote.js';
import { hostileText } from './hostile.js';
import { type Check, holds, notices, SEED } from './seeded.js';

const PER_SHELL = 25;

/** An argument vector as it could be, NUL left out: that one is refused (test/activities/ssh/quote.test.ts). */
const argument = hostileText.map((text) => text.replace(/[\0\p{Cs}]/gu, ''));
const vectors = fc.array(fc.array(argument, { maxLength: 6 }), { minLength: PER_SHELL, maxLength: PER_SHELL });

/** Says how many arguments came, and each of them, between marks that none of them holds. */
const SAY = ['sh', '-c', 'printf "%s\\036" "$#" "$@"; printf "\\035"', 'sh'];
const MARKS = /[\u001d\u001e]/g;

/** Broken quoting runs what the inputs say: as nobody, in a folder where nothing can be made. */
const HARMLESS = { cwd: '/proc/self', ...(process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}) };

type Quote = (argv: readonly string[]) => string;

/** Every vector comes out of a real shell as it went in, and none of them does anything else there. */
function arrivesWhole(quote: Quote): Check<string[][]> {
  return async (raw) => {
    const sent = raw.map((vector) => vector.map((text) => text.replaceAll(MARKS, '')));
    const script = sent.map((vector) => quote([...SAY, ...vector])).join('\n');
    const { stdout } = await promisify(execFile)('sh', ['-c', script], HARMLESS);
    const said = stdout
      .split('\u001d')
      .slice(0, -1)
      .map((one) => one.split('\u001e').slice(0, -1));
    expect(said).toEqual(sent.map((vector) => [`${vector.length}`, ...vector]));
  };
}

describe(`argument vectors of remote commands (seed ${SEED})`, () => {
  it('arrive as they were sent', () => holds(vectors, arrivesWhole(quoteArgv), { inputs: PER_SHELL }));

  it.each<[string, Quote]>([
    ['without quoting', (argv) => argv.join(' ')],
    ['with quotes that are not closed where one is inside', (argv) => argv.map((word) => `'${word}'`).join(' ')],
    ['with double quotes', (argv) => argv.map((word) => JSON.stringify(word)).join(' ')],
    ['without the empty ones', (argv) => quoteArgv(argv.filter((word) => word !== ''))],
  ])('would be noticed %s', (_, quote) => notices(vectors, arrivesWhole(quote), { inputs: PER_SHELL }));
});
