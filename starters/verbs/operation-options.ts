import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../../config/units.js';
import { runId } from '../arguments.js';

const DEFAULT_WAIT_MS = 30 * 60_000;
/** Longer than anybody means; timers of Node end at 24 days. */
const LONGEST_WAIT_MS = 7 * 24 * 3_600_000;

/** The options of every verb that starts an operation, worded once. */
export function operationOptions(command: Command): Command {
  return command
    .requiredOption('-f, --file <spec>', 'the spec of the cluster')
    .option('-y, --yes', 'do not ask: the plan is shown and started')
    .option('--reason <text>', 'why; kept in the record of the operation')
    .option(
      '--wait',
      'where the cluster is being worked on, wait for the turn in order of arrival; the plan is made then',
    )
    .addOption(
      new Option('--wait-for <duration>', 'wait for the turn no longer than this, such as 90s or 2h (exit 3 then)')
        .default(DEFAULT_WAIT_MS, '30m')
        .argParser(waitingTime)
        .implies({ wait: true }),
    )
    .option('--detach', 'start it and leave (exit 6); `ops watch` attaches again')
    .option('--json', 'print the report as the last line of stdout')
    .option(
      '--break-lease <run>',
      'take the hosts over from this run of another Temporal server, named by its run ID',
      runId,
    );
}

/** Of the verbs that change the shape or the shares of a cluster. */
export function reshapeOptions(command: Command): Command {
  return operationOptions(command).option(
    '--plan-only',
    'show the plan and leave (exit 0: nothing to do, 10: changes, 3: refused)',
  );
}

/** Of the verbs that change what the spec has to say. */
export function specOptions(command: Command): Command {
  return command.option(
    '--write-spec',
    "write the change into the spec's file: when the operation has begun, and what has left when it is done",
  );
}

function waitingTime(text: string): number {
  const ms = parseDuration(text);
  if (ms !== null && ms <= LONGEST_WAIT_MS) return ms;
  throw new InvalidArgumentError('A duration is wanted, such as 90s, 30m or 2h; at most 7 days.');
}
