import { ForgeError } from '../domain/errors.js';

/** What a person asks for cannot be meant so. */
export function badRequest(what: string, next: string): ForgeError {
  return new ForgeError('BadSpec', { what, left: 'Nothing was started or changed.', next });
}
