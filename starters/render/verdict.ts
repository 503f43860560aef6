import { formatRanges, slotsIn, type SlotRange } from '../../domain/slots.js';
import type { Finding, NodeStatus, Verdict } from '../../domain/verdict.js';
import type { CliIo } from '../io.js';
import { formatBytes, formatCount, table } from './table.js';

type Colors = CliIo['colors'];

/** How many ranges of slots are written out for a node. */
const RANGES_SHOWN = 3;

/** Topology and findings of a verdict: what `status` and `inspect` print. */
export function renderVerdict(verdict: Verdict, { colors }: Pick<CliIo, 'colors'>): string[] {
  return [headline(verdict, colors), '', ...topology(verdict, colors), ...renderFindings(verdict, { colors })];
}

/** The findings alone: what `check` prints. */
export function renderFindings({ findings }: Verdict, { colors }: Pick<CliIo, 'colors'>): string[] {
  return findings.flatMap((finding) => ['', ...findingLines(finding, colors)]);
}

export function headline({ cluster, healthy, asOf, nodes, findings }: Verdict, colors: Colors): string {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const counts = [
    `${nodes.filter(({ answered }) => answered).length} of ${nodes.length} nodes answer`,
    ...(errors > 0 ? [plural(errors, 'error')] : []),
    ...(findings.length > errors ? [plural(findings.length - errors, 'warning')] : []),
  ];
  const health = healthy ? colors.green('healthy') : colors.red('unhealthy');
  return `${colors.bold(cluster)}  ${health}  ${colors.dim(`${counts.join(', ')}, as of ${asOf}`)}`;
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

const COLUMNS = [
  { title: '' },
  { title: 'node' },
  { title: 'address' },
  { title: 'zone' },
  { title: 'role' },
  { title: 'slots' },
  { title: 'keys', align: 'right' },
  { title: 'memory', align: 'right' },
  { title: 'lag', align: 'right' },
  { title: 'version' },
] as const;

function topology(verdict: Verdict, colors: Colors): string[] {
  const rows = byShard(verdict.nodes).map((node) => row(node, verdict.findings, colors));
  return table({ columns: COLUMNS, rows, heading: colors.dim });
}

/** Masters in the order of their slots, each followed by its replicas; then whoever belongs to nobody. */
function byShard(nodes: readonly NodeStatus[]): NodeStatus[] {
  const masters = nodes
    .filter(({ role }) => role === 'master')
    .sort((a, b) => (a.slots[0]?.[0] ?? Infinity) - (b.slots[0]?.[0] ?? Infinity));
  const shards = masters.flatMap((master) => [master, ...nodes.filter(({ masterId }) => isOf(masterId, master))]);
  return [...shards, ...nodes.filter((node) => !shards.includes(node))];
}

function isOf(masterId: string | null, master: NodeStatus): boolean {
  return masterId !== null && masterId === master.id;
}

function row(node: NodeStatus, findings: readonly Finding[], colors: Colors): string[] {
  return [
    mark(node, findings, colors),
    `${node.role === 'replica' ? '  ' : ''}${node.name}`,
    addressText(node),
    node.zone ?? '',
    roleText(node, colors),
    slotsText(node.slots),
    node.keys === null ? '' : formatCount(node.keys),
    memoryText(node),
    node.lagBytes === null ? '' : formatBytes(node.lagBytes),
    node.version ?? '',
  ];
}

/** Nothing where it would only say the name again. */
function addressText({ name, address, port }: NodeStatus): string {
  return name === `${address}:${port}` ? '' : `${address}:${port}`;
}

function mark(node: NodeStatus, findings: readonly Finding[], colors: Colors): string {
  const severities = findings.filter((finding) => finding.node === node.name).map(({ severity }) => severity);
  if (!node.answered || severities.includes('error')) return colors.red('✗');
  return severities.includes('warning') ? colors.yellow('!') : colors.green('✓');
}

function roleText({ role, answered }: NodeStatus, colors: Colors): string {
  const text = answered ? role : `${role} (silent)`;
  if (!answered) return colors.red(text);
  return role === 'master' ? colors.cyan(text) : text;
}

function slotsText(slots: readonly SlotRange[]): string {
  if (slots.length === 0) return '';
  const shown = formatRanges(slots.slice(0, RANGES_SHOWN));
  return `${shown}${slots.length > RANGES_SHOWN ? ' …' : ''} (${slotsIn(slots)})`;
}

function memoryText({ usedMemoryBytes, maxmemoryBytes }: NodeStatus): string {
  if (usedMemoryBytes === null) return '';
  const used = formatBytes(usedMemoryBytes);
  return maxmemoryBytes === null || maxmemoryBytes === 0 ? used : `${used}/${formatBytes(maxmemoryBytes)}`;
}

function findingLines({ code, severity, node, host, evidence, next }: Finding, colors: Colors): string[] {
  const paint = severity === 'error' ? colors.red : colors.yellow;
  const about = node ?? host;
  return [
    `${paint(severity.padEnd(7))} ${colors.bold(code)}${about === undefined ? '' : `  ${about}`}`,
    `        ${evidence}`,
    `        ${colors.dim('next:')} ${next}`,
  ];
}
