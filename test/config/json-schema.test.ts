import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { specJsonSchema } from '../../config/json-schema.js';
import { type SpecDraft, specSchema } from '../../config/schema.js';
import { schemaVerb } from '../../starters/verbs/schema.js';
import { runVerb } from '../support/run-verb.js';

const CONFIG = join(import.meta.dirname, '../../config');

/** Judges as an editor would: by the JSON Schema alone. */
const editor = z.fromJSONSchema(JSON.parse(JSON.stringify(specJsonSchema())) as z.core.JSONSchema.JSONSchema);
const isFine = (document: unknown) => editor.safeParse(document).success;

const draft: SpecDraft = {
  apiVersion: 'redisforge/v1',
  name: 'orders',
  uid: '5b0f6f0e-6f5c-4a54-9a53-6d3f6f0c2a11',
  engine: { version: '7.0' },
  shape: { masters: 3, replicasPerMaster: 1 },
  hosts: [{ name: 'a1', zone: 'a', address: '10.0.0.1', nodes: [6379, { port: 6380 }] }],
  secrets: {
    operator: 'file:secrets/operator',
    replication: { current: 'env:REPL', next: 'exec:/opt/next' },
    app: { exec: ['/usr/bin/pass', 'show', 'redis/app'] },
    admin: { current: { exec: ['/usr/bin/pass', 'show', 'redis/admin'] } },
  },
};

describe('the JSON Schema of specs', () => {
  it('is kept in config/redisforge.schema.json as `redisforge schema` prints it', async () => {
    const kept = await readFile(join(CONFIG, 'redisforge.schema.json'), 'utf8');
    const { out, code } = await runVerb(schemaVerb, '/', ['schema']);
    expect(code).toBe(0);
    expect(kept, 'write it anew: bin/redisforge schema > config/redisforge.schema.json').toBe(`${out}\n`);
  });

  it('takes all examples, which point to it', async () => {
    const examples = (await readdir(join(CONFIG, 'examples'))).filter((file) => file.endsWith('.yaml'));
    expect(examples.length).toBeGreaterThan(0);
    for (const file of examples) {
      const text = await readFile(join(CONFIG, 'examples', file), 'utf8');
      expect(text.split('\n')[0], file).toBe('# yaml-language-server: $schema=../redisforge.schema.json');
      expect(editor.safeParse(parse(text)).error, file).toBeUndefined();
    }
  });

  it('takes the short forms, and the values that units are read from', () => {
    expect(isFine(draft)).toBe(true);
    const redis = { maxmemory: '4GB', replBacklog: 1048576, nodeTimeout: 5000, minReplicasMaxLag: '3 s' };
    expect(isFine({ ...draft, redis: { ...redis, extra: { hz: 20, 'lazyfree-lazy-eviction': true } } })).toBe(true);
  });

  it.each([
    ['a key that is not known', { nmae: 'orders' }],
    ['a version that is no text', { engine: { version: 7 } }],
    ['a name in capitals', { name: 'Orders' }],
    ['a size in pounds', { redis: { maxmemory: '4lb' } }],
    ['a duration in parsecs', { redis: { nodeTimeout: '5pc' } }],
    ['a host without a zone', { hosts: [{ name: 'a1', address: '10.0.0.1' }] }],
    ['no hosts', { hosts: [] }],
    ['a policy that does not exist', { redis: { maxmemoryPolicy: 'random' } }],
    ['a secret in the open', { secrets: { ...draft.secrets, app: 'hunter2' } }],
    ['a program as one string of words', { secrets: { ...draft.secrets, app: { exec: '/usr/bin/pass show' } } }],
    ['a missing secret', { secrets: { operator: 'env:A' } }],
  ])('underlines %s', (_what, change) => {
    expect(isFine({ ...draft, ...change })).toBe(false);
  });

  it('has patterns that every editor can read: none needs a flag', () => {
    const patterns = JSON.stringify(specJsonSchema()).match(/"pattern":"(?:[^"\\]|\\.)*"/g) ?? [];
    expect(patterns.length).toBeGreaterThan(20);
    for (const found of patterns) {
      const { pattern } = JSON.parse(`{${found}}`) as { pattern: string };
      expect(() => new RegExp(pattern, 'u'), pattern).not.toThrow();
    }
  });

  it('never underlines what the product takes', () => {
    const values = fc.oneof(
      fc.constantFrom(
        '5s',
        '500ms',
        '256mb',
        '4 GB',
        'env:X',
        'file:x',
        'exec:/x',
        'exec:["/x"]',
        '::1',
        '',
        '~a &b',
        '+@read',
      ),
      fc.constantFrom({ port: 1 }, { exec: ['/x', ''] }, { current: 'env:X' }, [1], [{ port: 2 }], []),
      fc.anything({ maxDepth: 1 }),
      fc.integer(),
      fc.boolean(),
    );
    const paths = fc.constantFrom(...leavesOf(specJsonSchema()));
    let taken = 0;
    fc.assert(
      fc.property(paths, values, (path, value) => {
        const document = withValue(structuredClone(draft), path, value);
        if (!specSchema.safeParse(document).success) return;
        taken++;
        expect(editor.safeParse(document).error, JSON.stringify([path, value])).toBeUndefined();
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});

type Path = readonly [string, ...string[]];

/** All keys of the schema, lists by their first item. */
function leavesOf(schema: object, path: readonly string[] = []): Path[] {
  const { properties, items } = schema as { properties?: Record<string, object>; items?: object };
  const [first, ...rest] = path;
  const here: Path[] = first === undefined ? [] : [[first, ...rest]];
  const inner = Object.entries(properties ?? {}).flatMap(([key, value]) => leavesOf(value, [...path, key]));
  return [...here, ...inner, ...(items === undefined ? [] : leavesOf(items, [...path, '0']))];
}

function withValue(target: object, [key, ...rest]: Path, value: unknown): object {
  const inner = (target as Record<string, unknown>)[key];
  const [next, ...others] = rest;
  const changed =
    next === undefined
      ? value
      : withValue(typeof inner === 'object' && inner !== null ? inner : {}, [next, ...others], value);
  return Object.assign(target, { [key]: changed });
}
