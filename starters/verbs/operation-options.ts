import type { Command } from 'commander';
import { runId } from '../arguments.js';

/** The options of every verb that starts an operation, worded once. */
export function operationOptions(command: Command): Command {
  return command
    .requiredOption('-f, --file <spec>', 'the spec of the cluster')
    .option('-y, --yes', 'do not ask: the plan is shown and started')
    .option('--reason <text>', 'why; kept in the record of the operation')
    .option('--detach', 'start it and leave (exit 6); `ops watch` attaches again')
    .option('--json', 'print the report as the last line of stdout')
    .option(
      '--break-lease <run>',
      'take the hosts over from this run of another Temporal server, named by its run ID',
      runId,
    );
}
