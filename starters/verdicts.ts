import { hostname } from 'node:os';
import { observe } from '../activities/redis/observe.js';
import { loadSpec } from '../config/load.js';
import { createSecretResolver } from '../config/secrets.js';
import { wantedSettings } from '../config/settings.js';
import { expectationOf } from '../domain/expectation.js';
import { judge } from '../domain/judge.js';
import { withHosts } from '../domain/judge-hosts.js';
import type { Observation, Silence } from '../domain/observation.js';
import type { ClusterSpec } from '../domain/spec.js';
import type { HostOutcome } from '../domain/survey.js';
import type { Verdict } from '../domain/verdict.js';
import { surveyAll } from './draft.js';
import { EXIT, type ExitCode } from './exit.js';
import type { CliIo } from './io.js';
import { withLocalActivities } from './local.js';

export interface Seen {
  readonly verdict: Verdict;
  readonly observation: Observation;
}

export interface JudgeRequest {
  readonly io: Pick<CliIo, 'env'>;
  /** Of the spec. */
  readonly path: string;
  /** Whether the hosts are asked, too, over SSH. */
  readonly hosts: 'asked' | 'left out';
}

/** Observes and judges the cluster of a spec with this machine's reach and secrets. Read only, no Temporal. */
export async function judgeSpec({ io, path, hosts }: JudgeRequest): Promise<Seen> {
  const { spec } = await loadSpec({ path, env: io.env });
  const secrets = createSecretResolver({ env: io.env, machine: hostname() });
  const [observation, outcomes] = await Promise.all([
    observe({ spec, secrets }),
    hosts === 'asked' ? surveyQuickly(io.env, spec) : [],
  ]);
  const expectation = expectationOf(spec, wantedSettings(spec));
  const verdict = judge({ observation, expectation, cluster: spec.name });
  return { observation, verdict: withHosts(verdict, spec, outcomes) };
}

/** Whoever waits for `status` sits in front of it: a host that takes longer than this is one that cannot be asked. */
const LOGIN_MS = 3_000;
const SURVEY_MS = 4_000;

function surveyQuickly(env: NodeJS.ProcessEnv, spec: ClusterSpec): Promise<HostOutcome[]> {
  const sshConnectMs = Math.min(spec.timings.sshConnectMs, LOGIN_MS);
  const commandMs = Math.min(spec.timings.commandMs, SURVEY_MS);
  const quick = { ...spec, timings: { ...spec.timings, sshConnectMs, commandMs } };
  return withLocalActivities(env, (activities) => surveyAll(activities, quick));
}

/** Silences that are as likely our side's: no way there, or not the right secret. */
const OURS: readonly Silence[] = ['unreachable', 'wrong-secret'];

/** Healthy or not; unreachable where not one node answered, and each for a reason that may lie on this machine. */
export function exitOfVerdict({ verdict, observation }: Seen): ExitCode {
  if (verdict.healthy) return EXIT.done;
  const blind = observation.nodes.every((node) => !node.answered && OURS.includes(node.silence));
  return blind ? EXIT.unreachable : EXIT.unhealthy;
}
