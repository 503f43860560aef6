import type { Pause, StepRecord } from '../../domain/operation.js';
import type { CliIo } from '../io.js';

/** One line of a step, as progress and report show it. */
export function renderStep(step: StepRecord, { colors }: Pick<CliIo, 'colors'>): string {
  const seconds = duration(step);
  switch (step.state) {
    case 'waiting':
      return `  ${colors.dim('·')} ${colors.dim(step.title)}`;
    case 'running':
      return `  ${colors.cyan('▶')} ${step.title}`;
    case 'changed':
      return `  ${colors.green('✔')} ${step.title}${seconds}`;
    case 'unchanged':
      return `  ${colors.green('=')} ${step.title}${seconds} ${colors.dim('(was as wanted)')}`;
    case 'failed':
      return `  ${colors.red('✘')} ${step.title}${seconds}`;
    case 'skipped':
      return `  ${colors.dim('–')} ${colors.dim(step.title)} ${colors.dim('(not begun)')}`;
    default:
      return step.state satisfies never;
  }
}

function duration({ startedAt, endedAt }: StepRecord): string {
  if (startedAt === undefined || endedAt === undefined) return '';
  return `  ${((Date.parse(endedAt) - Date.parse(startedAt)) / 1000).toFixed(1)} s`;
}

/** Who holds the operation, since when and why. */
export function renderPause({ actor, since, reason }: Pause, { colors }: Pick<CliIo, 'colors'>): string {
  return `${colors.yellow('paused')}   by ${actor} since ${since}: ${reason || '(no reason given)'}`;
}
