import { z } from 'zod';
import { specSchema } from './schema.js';

/**
 * The spec as JSON Schema, for editors: what may be written, short forms and all. Draft 7, which every YAML language server knows. Values that go
 * together (`domain/spec-rules.ts`) and a few that only code can judge, such as addresses, are not in it: it lets more through than `validate`.
 */
export function specJsonSchema(): object {
  return {
    ...z.toJSONSchema(specSchema, { io: 'input', target: 'draft-07' }),
    title: 'A Redis Cluster, declared for RedisForge',
  };
}
