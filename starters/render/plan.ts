import { describeStep, type Plan } from '../../domain/plan.js';
import { shownValue } from '../../domain/settings.js';
import type { CliIo } from '../io.js';

/** The plan as a person reads it before saying yes. */
export function renderPlan(plan: Plan, { colors }: Pick<CliIo, 'colors'>): string[] {
  const head = `${colors.bold(`${plan.operation} ${plan.cluster}`)}  plan ${plan.digest.slice(0, 12)}`;
  return [
    head,
    ...plan.refusals.map(({ what, next }) => `  ${colors.red('refused')}  ${what}\n           next: ${next}`),
    ...(plan.steps.length === 0 && plan.refusals.length === 0 ? ['  nothing to change'] : []),
    ...plan.steps.map((step, index) => `  ${String(index + 1).padStart(2)}. ${describeStep(step)}`),
    ...formation(plan),
    ...plan.drift.map(
      ({ node, setting, wanted, running, why }) =>
        `  ${colors.yellow('drift')}    ${node}: ${setting} is ${shownValue(running)}, the spec wants ${shownValue(wanted)}\n           left: ${why}`,
    ),
    ...[...plan.notes, ...(plan.remarks ?? [])].map((note) => `  note     ${note}`),
  ];
}

function formation(plan: Plan): string[] {
  return plan.steps.flatMap((step) =>
    step.kind === 'formCluster'
      ? step.masters.map(({ node, slots }) => {
          const replicas = step.replicas.filter(({ of }) => of === node).map((replica) => replica.node);
          const ranges = slots.map(([from, to]) => `${from}-${to}`).join(' ');
          return `        ${node.padEnd(16)} slots ${ranges.padEnd(12)} replicas ${replicas.join(', ') || 'none'}`;
        })
      : [],
  );
}
