import type { Command } from 'commander';
import type { LabDriver, LabEngine } from '../../lab/driver.js';
import type { Engine } from '../../lab/engines.js';
import { ForgeError } from '../../domain/errors.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type CliIo } from '../io.js';

/** `redisforge lab engines`: Redis and Valkey versions to try things out with. */
export function addEngines(lab: Command, io: CliIo): void {
  lab
    .command('engines')
    .description(
      'fetch the Redis and Valkey versions that `lab up --engine` knows, from the Debian mirror of this machine',
    )
    .option('--json', 'print JSON')
    .action(action(io, (options: { readonly json?: true }) => fetchAll(io, options)));
}

async function fetchAll(io: CliIo, { json }: { readonly json?: true }): Promise<ExitCode> {
  const { fetchEngines } = await import('../../lab/engines.js');
  const engines = await fetchEngines();
  if (json === true) io.out(JSON.stringify({ engines }));
  else {
    for (const one of engines) {
      if (one.engine === null) io.err(`${one.name}: ${one.problem}`);
      else
        io.out(
          `${one.name}: ${one.engine.version}, ${one.fetched ? 'fetched' : 'there already'}: ${one.engine.archive}`,
        );
    }
  }
  return engines.every(({ engine }) => engine !== null) ? EXIT.done : EXIT.unhealthy;
}

/** What the hosts of a lab run: an engine of `lab engines`, or what they come with. */
export async function labEngine(driver: LabDriver, name: string | undefined): Promise<LabEngine | Engine> {
  if (name === undefined) return driver.engine();
  const { ENGINE_NAMES, requireEngine } = await import('../../lab/engines.js');
  const known = ENGINE_NAMES.find((candidate) => candidate === name);
  if (known !== undefined) return requireEngine(known);
  throw new ForgeError('BadSpec', {
    what: `There is no engine ${name}.`,
    left: 'Nothing was changed.',
    next: `These are known: ${ENGINE_NAMES.join(', ')}.`,
  });
}
