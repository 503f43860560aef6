import type { EndedPause, OperationReport } from '../../domain/operation.js';
import type { Verdict } from '../../domain/verdict.js';
import type { CliIo } from '../io.js';
import { renderMoved } from './moves.js';
import { renderStep } from './progress.js';

/** The report of one run as a page. */
export function renderReport(report: OperationReport, io: Pick<CliIo, 'colors'>): string[] {
  const { colors } = io;
  const seconds = ((Date.parse(report.endedAt) - Date.parse(report.startedAt)) / 1000).toFixed(1);
  return [
    `${colors.bold(`${report.operation} ${report.cluster}`)}  ${outcomeText(report, io)}  in ${seconds} s`,
    `  who      ${report.actor}`,
    `  why      ${report.reason || '(no reason given)'}`,
    `  when     ${report.startedAt} to ${report.endedAt}`,
    `  run      ${report.workflowId} ${report.runId}`,
    `  plan     ${report.plan?.digest.slice(0, 12) ?? 'none was made'}${report.generation === null ? '' : `, generation ${report.generation}`}`,
    ...(report.pauses ?? []).map((pause) => `  paused   ${pauseText(pause)}`),
    ...report.steps.flatMap((step) => [
      renderStep(step, io),
      ...renderMoved(step, io),
      ...step.effects.map((effect) => `      ${colors.dim(effect)}`),
    ]),
    `  before   ${verdictText(report.verdictBefore)}`,
    `  after    ${verdictText(report.verdictAfter)}`,
    ...failureLines(report, io),
  ];
}

/** The end of an operation in a line: for the person who followed it and has seen the steps go by. */
export function renderOutcome(report: OperationReport, io: Pick<CliIo, 'colors'>): string[] {
  const seconds = ((Date.parse(report.endedAt) - Date.parse(report.startedAt)) / 1000).toFixed(1);
  return [
    `${report.operation} ${report.cluster}: ${outcomeText(report, io)} in ${seconds} s`,
    ...failureLines(report, io),
  ];
}

function outcomeText({ outcome, changed, verdictAfter }: OperationReport, { colors }: Pick<CliIo, 'colors'>): string {
  switch (outcome) {
    case 'done': {
      const proven = verdictAfter === null ? 'done and read back' : 'done and proven';
      return colors.green(changed ? proven : `${proven}, nothing was to change`);
    }
    case 'failed':
      return colors.red('failed');
    case 'refused':
      return colors.yellow('refused, nothing was changed');
    case 'cancelled':
      return colors.yellow('cancelled at a safe point');
    default:
      return outcome satisfies never;
  }
}

function pauseText({ actor, since, until, reason, resumedBy }: EndedPause): string {
  const end = resumedBy === undefined ? 'not resumed' : `resumed by ${resumedBy}`;
  return `by ${actor} ${since} to ${until} (${end}): ${reason || '(no reason given)'}`;
}

function failureLines({ failure }: OperationReport, { colors }: Pick<CliIo, 'colors'>): string[] {
  if (failure === undefined) return [];
  const { what, left, next } = failure.text;
  return [
    `  ${colors.red(failure.type)}: ${what}`,
    ...(left === '' ? [] : [`  ${left}`]),
    ...(next === '' ? [] : [`  next: ${next}`]),
  ];
}

function verdictText(verdict: Verdict | null): string {
  if (verdict === null) return 'no verdict';
  const codes = [...new Set(verdict.findings.map(({ code }) => code))];
  return `${verdict.healthy ? 'healthy' : 'unhealthy'}${codes.length === 0 ? '' : ` (${codes.join(', ')})`}, as of ${verdict.asOf}`;
}
