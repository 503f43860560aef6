import { hostname } from 'node:os';
import { loadSpec } from '../../config/load.js';
import type { Finding } from '../../domain/leftovers.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { CliIo } from '../io.js';
import { actorName } from '../operations.js';
import { clean, type Cleaned, findingsOf, type HostsLook, lookAtHosts, withAccess } from './hosts.js';
import { lookAtTemporal, type TemporalLook } from './temporal.js';

export interface ExamineOptions {
  readonly file?: string;
  readonly clean?: true;
  readonly yes?: true;
  readonly json?: true;
}

/** Looks at Temporal, and with a spec at its hosts and nodes; says what is wrong and what to do, and with `clean` takes away what is surely over. */
export async function examine(io: CliIo, options: ExamineOptions): Promise<ExitCode> {
  const { file } = options;
  if (file === undefined) return conclude(io, options, { temporal: await lookAtTemporal(io.env, []), findings: [] });
  const { spec } = await loadSpec({ path: file, env: io.env });
  return withAccess(io.env, async (access) => {
    const look = await lookAtHosts(access, spec);
    const leases = look.hosts.flatMap(({ record }) => (record.lease === null ? [] : [record.lease]));
    const temporal = await lookAtTemporal(io.env, leases);
    const findings = findingsOf(look, temporal.runs);
    const seen: Seen = { temporal, look, findings };
    if (options.clean !== true) return conclude(io, options, seen);
    const cleanable = findings.filter(({ cleaned }) => cleaned === 'by --clean');
    if (cleanable.length === 0) return conclude(io, options, seen);
    if (!(await agreed(io, options, cleanable))) return EXIT.refused;
    const cleaned = await clean(access, { look, runs: temporal.runs, by: `doctor:${actorName(io.env, hostname())}` });
    const after = await lookAtHosts(access, spec);
    return conclude(io, options, { temporal, look: after, findings: findingsOf(after, temporal.runs), cleaned });
  });
}

interface Seen {
  readonly temporal: TemporalLook;
  /** Absent without a spec. */
  readonly look?: HostsLook;
  readonly findings: readonly Finding[];
  readonly cleaned?: Cleaned;
}

async function agreed(io: CliIo, { yes }: ExamineOptions, cleanable: readonly Finding[]): Promise<boolean> {
  io.err('To be taken away:');
  for (const { about, what } of cleanable) io.err(`  ${about ?? ''}  ${what}`);
  if (yes === true) return true;
  if (io.interactive && (await io.ask('Take it away?'))) return true;
  io.err(io.interactive ? 'Nothing was changed.' : 'Nothing was changed: say --yes where nobody can be asked.');
  return false;
}

function conclude(io: CliIo, { json }: ExamineOptions, { temporal, look, findings, cleaned }: Seen): ExitCode {
  const all = [...temporal.findings, ...findings];
  const healthy = all.every(({ severity }) => severity !== 'problem');
  if (json === true) {
    const done = cleaned === undefined ? {} : { cleaned: cleaned.effects, refused: cleaned.refused };
    io.out(JSON.stringify({ healthy, temporal: temporal.facts, findings: all, ...done }));
  } else {
    for (const line of [...summary(temporal, look), ...all.flatMap((finding) => lines(io, finding))]) io.out(line);
    for (const effect of cleaned?.effects ?? []) io.out(`cleaned  ${effect}`);
    for (const what of cleaned?.refused ?? []) io.out(`left     ${what}`);
  }
  if (temporal.facts === null && (look?.hosts.length ?? 0) === 0) return EXIT.unreachable;
  return healthy ? EXIT.done : EXIT.unhealthy;
}

function summary({ facts }: TemporalLook, look: HostsLook | undefined): string[] {
  const temporal =
    facts === null
      ? 'Temporal  cannot be asked'
      : `Temporal  ${facts.address}, namespace ${facts.namespace}, server ${facts.serverVersion}, keeps ${Number(facts.retentionDays.toFixed(1))} days, ${facts.msPerStep === null ? 'speed not measured' : `${facts.msPerStep} ms a step`}`;
  if (look === undefined) return [temporal, 'hosts     not asked: say which with -f SPEC'];
  const asked = look.fences.filter(([, users]) => users !== null).length;
  return [
    temporal,
    `hosts     ${look.hosts.length} of ${look.spec.hosts.length} answer`,
    `nodes     ${asked} of ${look.fences.length} answer`,
  ];
}

function lines(io: CliIo, { severity, about, area, what, next }: Finding): string[] {
  const mark = severity === 'problem' ? io.colors.red('✗') : io.colors.yellow('·');
  return [`${mark} ${about ?? area}: ${what}`, `    next: ${next}`];
}
