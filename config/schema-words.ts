import { z } from 'zod';

/** A mapping that takes no other keys. For unknown keys its message is the list of known ones, from which the nearest is suggested. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape, why = '') {
  const keys = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? keys : `a mapping with the keys ${keys}${why}`),
  });
}

export function text(pattern: RegExp, right: string) {
  return z.string({ error: right }).regex(pattern, { error: right }).describe(right);
}

export function whole(min: number, max: number, what: string) {
  const right = `${what}: a whole number from ${min} to ${max}`;
  return z.int({ error: right }).min(min, { error: right }).max(max, { error: right }).describe(right);
}

export function choice<const Options extends readonly string[]>(options: Options) {
  return z.enum(options, { error: `one of ${options.join(', ')}` });
}

export const path = text(/^[^\0\n]+$/, 'a path');
export const absolutePath = text(/^\/[^\0\n]*[^\0\n/]$/, 'an absolute path on the hosts, such as /var/lib/redisforge');
