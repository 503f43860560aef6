import { describeStep, type Plan, type Step } from '../../domain/plan.js';
import { formatRanges } from '../../domain/slots.js';
import { shownValue } from '../../domain/settings.js';
import type { CliIo } from '../io.js';
import { renderForecast, renderMoves } from './moves.js';

/** The plan as a person reads it before saying yes. */
export function renderPlan(plan: Plan, { colors }: Pick<CliIo, 'colors'>): string[] {
  const head = `${colors.bold(`${plan.operation} ${plan.cluster}`)}  plan ${plan.digest.slice(0, 12)}`;
  return [
    head,
    ...plan.refusals.map(({ what, next }) => `  ${colors.red('refused')}  ${what}\n           next: ${next}`),
    ...(plan.steps.length === 0 && plan.refusals.length === 0 ? ['  nothing to change'] : []),
    ...plan.steps.flatMap((step, index) => [
      `  ${String(index + 1).padStart(2)}. ${describeStep(step)}`,
      ...details(step).map((line) => `        ${line}`),
    ]),
    ...(plan.forecast === undefined ? [] : renderForecast(plan.forecast)),
    ...plan.drift.map(
      ({ node, setting, wanted, running, why }) =>
        `  ${colors.yellow('drift')}    ${node}: ${setting} is ${shownValue(running)}, the spec wants ${shownValue(wanted)}\n           left: ${why}`,
    ),
    ...[...plan.notes, ...(plan.remarks ?? [])].map((note) => `  note     ${note}`),
  ];
}

/** What a line cannot hold. */
function details(step: Step): string[] {
  switch (step.kind) {
    case 'formCluster':
      return step.masters.map(({ node, slots }) => {
        const replicas = step.replicas.filter(({ of }) => of === node).map((replica) => replica.node);
        return `${node.padEnd(16)} slots ${formatRanges(slots).padEnd(12)} replicas ${replicas.join(', ') || 'none'}`;
      });
    case 'moveSlots':
      return renderMoves(step.moves);
    default:
      return [];
  }
}
