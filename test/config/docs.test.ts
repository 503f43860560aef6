import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { specSchema } from '../../config/schema.js';

/** All keys of the schema, as docs/spec.md writes them. */
function keysOf(schema: z.core.JSONSchema._JSONSchema, path: string): string[] {
  if (typeof schema === 'boolean') return [];
  if (schema.type === 'array' && typeof schema.items === 'object' && !Array.isArray(schema.items)) {
    return keysOf(schema.items, `${path}[]`);
  }
  if (schema.oneOf !== undefined) return [...new Set(schema.oneOf.flatMap((branch) => keysOf(branch, path)))];
  if (schema.properties === undefined || STOP.has(path)) return [path];
  return Object.entries(schema.properties).flatMap(([key, inner]) =>
    keysOf(inner, path === '' ? key : `${path}.${key}`),
  );
}

/** Described as a whole. */
const STOP = new Set(['hosts[].ssh', 'ssh.jump', 'ssh.hostKeys[]']);

describe('docs/spec.md', () => {
  it('describes every key of the schema', async () => {
    const text = await readFile(join(import.meta.dirname, '../../docs/spec.md'), 'utf8');
    const keys = keysOf(z.toJSONSchema(specSchema, { io: 'input', unrepresentable: 'any' }), '').map((key) =>
      key.replace(/\[\]$/, ''),
    );
    expect(keys).toContain('redis.maxmemory');
    expect(keys).toContain('hosts[].zone');
    expect(keys.filter((key) => !text.includes(`| \`${key}\` |`))).toEqual([]);
  });
});
