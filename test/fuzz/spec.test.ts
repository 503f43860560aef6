import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { completeSpec } from '../../config/complete.js';
import { checkSpec, describeProblem, type LoadedSpec, type SpecProblem } from '../../config/load.js';
import { renderNodeFiles } from '../../config/render.js';
import type { SpecDocument } from '../../config/schema.js';
import { Secret } from '../../config/secrets.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { CONTROLS, hostileNumber, hostileText, WORDS } from './hostile.js';
import { type Check, holds, notices, SEED } from './seeded.js';

/** Stands where a reference to a secret should; in no message may it be found again. */
const CANARY = 'c4n4ry-Qz81-written-into-the-spec';
/** Far above what the largest of these inputs needs on a busy machine. */
const PATIENCE_MS = 5_000;

interface Edit {
  /** Chooses the place; taken modulo the number of places. */
  readonly place: number;
  readonly kind: 'replace' | 'remove' | 'add' | 'repeat';
  readonly key: string;
  readonly value: unknown;
}

interface Scratch {
  /** Chooses the place in the text, in parts of a million. */
  readonly at: number;
  readonly text: string;
}

interface Input {
  readonly edits: readonly Edit[];
  readonly scratches: readonly Scratch[];
  /** How much of the text is left, from 0 to 1. */
  readonly cut: number;
}

const deep = fc
  .tuple(fc.nat(3_000), fc.boolean())
  .map(([depth, list]): unknown =>
    Array.from({ length: depth % 200 }).reduce<unknown>((inner) => (list ? [inner] : { a: inner }), 'end'),
  );

const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: hostileText },
  { weight: 3, arbitrary: hostileNumber },
  { weight: 2, arbitrary: fc.oneof(fc.double(), fc.maxSafeInteger(), fc.constantFrom(-1, 0, 1e21, Infinity, NaN)) },
  { weight: 2, arbitrary: fc.constantFrom(null, true, false, [], {}, [[]], [null], { '': '' }, CANARY) },
  { weight: 1, arbitrary: fc.array(hostileText, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.dictionary(hostileText, hostileText, { maxKeys: 3 }) },
  { weight: 1, arbitrary: deep },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...['/', '/etc', '/usr', '/usr/local/', '/srv/../etc', '/srv/./x', '//srv', '/srv\n/x', '/srv/a b', '~/x'],
      ...[
        '~orders:* ~cart:*',
        '~a\n~b',
        '~a\t~b',
        '~*\nuser evil on nopass ~* +@all',
        '+@all\n-@all',
        '&a &b',
        '+@all nopass',
      ],
      ...[
        '10.0.0.1',
        '::1',
        '0.0.0.0',
        '256.1.1.1',
        'env:X',
        'file:x',
        'exec:/bin/x',
        'exec:["/bin/x","\n"]',
        '7.0',
        '6.10',
      ],
      ...[`${'a'.repeat(60)}"`, `"${'\\'.repeat(60)}`, 'a: b', '512mb', '1e3', '5s', '9'.repeat(16), '00'],
    ),
  },
);

const edit: fc.Arbitrary<Edit> = fc.record({
  place: fc.nat(1_000_000),
  kind: fc.constantFrom('replace', 'replace', 'replace', 'remove', 'add', 'repeat'),
  key: fc.oneof(
    fc.constantFrom<string>(...WORDS),
    hostileText,
    fc.constantFrom('root', 'extra', 'constructor', CANARY),
  ),
  value,
});

const scratch: fc.Arbitrary<Scratch> = fc.record({
  at: fc.nat(1_000_000),
  text: fc.oneof(
    fc.constantFrom<string>(...CONTROLS),
    fc.constantFrom(
      '&a ',
      '*a',
      '*b ',
      '!!binary ',
      '!!js/function ',
      '<<: *a\n',
      '? ',
      '- ',
      '{',
      '[',
      '"',
      "'",
      '|\n',
      '>-\n',
      '%YAML 9\n',
    ),
    fc.constantFrom(
      '---\n',
      '...\n',
      '__proto__: {x: 1}\n',
      '\nname: other\n',
      '\n\troot: x\n',
      '[['.repeat(500),
      '\ufeff',
      '\0',
    ),
    fc.string({ unit: 'binary', maxLength: 8 }),
  ),
});

const inputs: fc.Arbitrary<Input> = fc.record({
  edits: fc.array(edit, { minLength: 1, maxLength: 3 }),
  scratches: fc.oneof(fc.constant([]), fc.array(scratch, { maxLength: 2 })),
  cut: fc.oneof(
    { weight: 9, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  ),
});

let sound: unknown;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redisforge-fuzz-'));
  sound = parse(await readFile(new URL('../../config/examples/three-hosts.yaml', import.meta.url), 'utf8'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Path = readonly (string | number)[];

function placesOf(node: unknown, path: Path = []): Path[] {
  if (typeof node !== 'object' || node === null) return [path];
  const inner = Array.isArray(node)
    ? node.flatMap((item, i) => placesOf(item, [...path, i]))
    : Object.entries(node).flatMap(([key, item]) => placesOf(item, [...path, key]));
  return path.length === 0 ? inner : [path, ...inner];
}

/** A copy with one thing changed at the place. */
function edited(node: unknown, [head, ...rest]: Path, change: Edit): unknown {
  if (head === undefined) return change.value;
  if (Array.isArray(node)) {
    const items = node.map((item: unknown, i) => (i === head && rest.length > 0 ? edited(item, rest, change) : item));
    if (rest.length > 0 || typeof head !== 'number') return items;
    if (change.kind === 'remove') return items.filter((_, i) => i !== head);
    if (change.kind === 'repeat') return [...items, items[head]];
    return items.map((item, i) => (i === head ? change.value : item));
  }
  const entries = Object.entries(node as Record<string, unknown>);
  if (rest.length > 0)
    return Object.fromEntries(entries.map(([key, item]) => [key, key === head ? edited(item, rest, change) : item]));
  if (change.kind === 'remove') return Object.fromEntries(entries.filter(([key]) => key !== head));
  if (change.kind === 'replace')
    return Object.fromEntries(entries.map(([key, item]) => [key, key === head ? change.value : item]));
  return Object.fromEntries([...entries, [change.key, change.value]]);
}

function textOf({ edits, scratches, cut }: Input): string {
  const document = edits.reduce<unknown>((before, change) => {
    const places = placesOf(before);
    return edited(before, places[change.place % Math.max(1, places.length)] ?? [], change);
  }, sound);
  const text = scratches.reduce(
    (before, { at, text: piece }) => {
      const place = Math.floor((at / 1_000_000) * before.length);
      return before.slice(0, place) + piece + before.slice(place);
    },
    stringify(document, { aliasDuplicateObjects: false }),
  );
  return text.slice(0, Math.floor(text.length * cut));
}

type Read = (path: string, text: string) => Promise<LoadedSpec | { problems: SpecProblem[] }>;

/** Every text ends in problems that can be read, or in a spec that can be acted on. */
function endsWell(read: Read): Check<Input> {
  return async (input) => {
    const text = textOf(input);
    const path = join(folder, 'spec.yaml');
    await writeFile(path, text);
    const begun = performance.now();
    const checked = await read(path, text);
    expect(performance.now() - begun).toBeLessThan(PATIENCE_MS);
    if ('problems' in checked) expectReadable(checked.problems, text);
    else expectSafe(checked.spec);
  };
}

function expectReadable(problems: readonly SpecProblem[], text: string): void {
  expect(problems).not.toEqual([]);
  const lines = text.split(/\r\n|\r|\n/).length;
  for (const problem of problems) {
    expect(problem.line).toBeGreaterThan(0);
    expect(problem.line).toBeLessThanOrEqual(lines);
    expect(problem.reason).not.toBe('');
    expect(problem.right).not.toBe('');
    if (problem.path.startsWith('secrets')) expect(describeProblem(problem)).not.toContain(CANARY);
  }
}

/** What reaches a host or Redis cannot mean more there than what it is. */
function expectSafe(spec: ClusterSpec): void {
  const clean = (text: string) => expect(text).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Cf}\p{Cs}]/u);
  const labels = [spec.name, spec.uid, ...spec.hosts.flatMap(({ name, zone, address }) => [name, zone, address])];
  for (const label of labels) expect(label).toMatch(/^[A-Za-z0-9:][A-Za-z0-9.:_-]*$/);
  for (const host of spec.hosts) {
    clean(host.root);
    expect(host.root).toMatch(/^(\/(?!\.{1,2}(\/|$))[^/\\]+)+$/);
    expect(['/etc', '/usr', '/usr/local', '/srv']).not.toContain(host.root);
    expectSafeFiles(spec, host);
  }
  for (const number of numbersIn({ redis: spec.redis, timings: spec.timings, shape: spec.shape })) {
    expect(Number.isSafeInteger(number * 1000)).toBe(true);
  }
}

function numbersIn(value: object): number[] {
  return Object.values(value).flatMap((inner: unknown) =>
    typeof inner === 'number' ? [inner] : typeof inner === 'object' && inner !== null ? numbersIn(inner) : [],
  );
}

const secret = { current: new Secret('e4c1b9a07f') };
const secrets = { operator: secret, replication: secret, app: secret, admin: secret };

function expectSafeFiles(spec: ClusterSpec, host: ClusterSpec['hosts'][number]): void {
  const files = renderNodeFiles({ spec, host, port: host.nodes[0]?.port ?? 0, secrets });
  const contents = Object.fromEntries(files.map(({ role, content }) => [role, content.slice(0, -1).split('\n')]));
  expect(contents['acl']?.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
    'user default',
    'user redisforge-operator',
    'user redisforge-replication',
    `user ${spec.users.app.name}`,
    'user admin',
  ]);
  expect(contents['acl']?.join(' ')).not.toMatch(/nopass|\t|\r/);
  expect(contents['service']).toHaveLength(spec.service.method === 'systemd' ? 3 : 2);
  for (const line of contents['config'] ?? []) expect(line).toMatch(/^($|# |[a-z][a-z0-9-]* )/);
  const directives = contents['config']?.map((line) => line.split(' ')[0]) ?? [];
  for (const owned of ['dir', 'aclfile', 'masterauth', 'port', 'bind', 'logfile']) {
    expect(directives.filter((directive) => directive === owned)).toHaveLength(1);
  }
}

const real: Read = (path) => checkSpec({ path });

describe(`specs (seed ${SEED})`, () => {
  it('end in problems with their place, or in a spec that is safe to act on', () => holds(inputs, endsWell(real)));

  it('would be noticed if nothing checked them', () =>
    notices(
      inputs,
      endsWell(async (path, text) => {
        const { spec } = completeSpec(parse(text) as SpecDocument, { folder: '/', home: '/' });
        return Promise.resolve({ spec, path, text });
      }),
    ));

  it('would be noticed if roots and rights were taken as they are', () =>
    notices(
      inputs,
      endsWell(async (path, text) => {
        const checked = await real(path, text);
        if (!('problems' in checked)) return checked;
        const others = checked.problems.filter((problem) => !/root$|users/.test(problem.path));
        if (others.length > 0) return { problems: others };
        const { spec } = completeSpec(parse(text) as SpecDocument, { folder: '/', home: '/' });
        return { spec, path, text };
      }),
    ));

  it('would be noticed if a problem said what was found among the secrets', () =>
    notices(
      inputs,
      endsWell(async (path, text) => {
        const checked = await real(path, text);
        if (!('problems' in checked)) return checked;
        return { problems: checked.problems.map((problem) => ({ ...problem, reason: `${problem.reason} (${text})` })) };
      }),
    ));
});
