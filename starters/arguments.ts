import { InvalidArgumentError } from 'commander';

// What commander calls with the text of an option; a wrong one ends in bad usage, with the option's name.

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('A whole number is wanted.');
  return Number(text);
}

export function percent(text: string): number {
  const value = Number(text);
  if (/^\d{1,3}(\.\d+)?$/.test(text) && value <= 100) return value;
  throw new InvalidArgumentError('A number from 0 to 100 is wanted.');
}

export function portNumber(text: string): number {
  const port = wholeNumber(text);
  if (port < 1 || port > 65_535) throw new InvalidArgumentError('A port is a number from 1 to 65535.');
  return port;
}

/** As the spec allows it: nothing else may come into a query. */
export function clusterName(text: string): string {
  if (/^[a-z][a-z0-9-]{0,61}$/.test(text)) return text;
  throw new InvalidArgumentError(
    'The name of a cluster is lower-case letters, digits and dashes, beginning with a letter.',
  );
}

export function runId(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) return text;
  throw new InvalidArgumentError('A run ID is wanted, as `ops list` shows it.');
}
