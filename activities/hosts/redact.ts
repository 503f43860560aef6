/** Redis quotes the line of its configuration that it does not like, and with it a password or its hash. */
const SECRET_LINE = /masterauth|requirepass|secret|\b[0-9a-f]{64}\b|\s>\S/i;

/** A line of a log as it may be shown: whole, or not at all. */
export function redacted(line: string): string {
  return SECRET_LINE.test(line) ? '[a line that may hold a secret is left out]' : line;
}
