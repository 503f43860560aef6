import { readFileSync } from 'node:fs';
import { ForgeError } from '../../domain/errors.js';
import { type ReachFailure, type ReachHost, type ReachReport, reachWord } from '../../domain/reach.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { Conversation } from '../ssh/converse.js';
import { hostOf, type HostAdapters } from './ask-host.js';

/** For one connection, and again for the word. The kernel asks a second time after one second: a single lost packet blocks no pair. */
const PATIENCE_MS = 2_000;
/** Whoever does not listen by then is not waited for. A login takes a tenth of a second, and most are there since the survey. */
const GATHER_MS = 5_000;
/** A listener that nobody ends ends by itself then. */
const LONGEST_MS = 15_000;

/**
 * Has every host listen on its ports that nobody uses yet, and try the ports of all others, in one command a host. Only looks: the listeners end
 * with the exam, with the connection, or after 15 seconds, whatever comes first. A host that cannot take part is part of the answer.
 */
export async function examinePorts(
  { ssh }: HostAdapters,
  { spec, hosts }: { spec: ClusterSpec; hosts: readonly ReachHost[] },
): Promise<ReachReport> {
  const [listening, trying] = [createGate(hosts.length, GATHER_MS), createGate(hosts.length, LONGEST_MS)];
  const report = { failures: [] as ReachFailure[], deaf: [] as Deaf[], unexamined: [] as Unexamined[] };
  const heard = new Map<string, readonly number[]>();

  const examine = async (one: ReachHost, conversation: Conversation) => {
    const { ports, deaf } = await listeners(one, conversation);
    report.deaf.push(...deaf);
    if (listening.isOpen()) throw new CannotExamine(`it was not ready within ${GATHER_MS / 1000} s`);
    heard.set(one.host, [...ports, ...one.running]);
    await listening.pass(one.host);
    const tries = triesOf(spec, { from: one.host, hosts, heard });
    report.failures.push(...(await failuresOf(one.host, tries, conversation)));
    // The others may still be trying this one's ports.
    await trying.pass(one.host);
  };

  const takePart = async (one: ReachHost) => {
    try {
      await ssh.converse(commandFor(spec, one), (conversation) => examine(one, conversation));
    } catch (error) {
      if (!(error instanceof ForgeError) && !(error instanceof CannotExamine)) throw error;
      const why = error instanceof ForgeError ? error.text.what.replace(/\.$/, '') : error.message;
      report.unexamined.push({ host: one.host, why });
    } finally {
      // Whoever does not take part keeps nobody waiting.
      listening.arrive(one.host);
      trying.arrive(one.host);
    }
  };

  await Promise.all(hosts.map(takePart));
  for (const gate of [listening, trying]) gate.close();
  return report;
}

type Deaf = ReachReport['deaf'][number];
type Unexamined = ReachReport['unexamined'][number];

/** The host cannot do its part of the exam. */
class CannotExamine extends Error {}

/** Opens when every host has come to it or has dropped out, and after `longestMs` in any case. */
function createGate(hosts: number, longestMs: number) {
  const arrived = new Set<string>();
  let [isOpen, open] = [false, () => {}];
  const opened = new Promise<void>((resolve) => {
    open = () => {
      isOpen = true;
      resolve();
    };
  });
  const timer = setTimeout(() => open(), longestMs);
  const arrive = (host: string) => {
    arrived.add(host);
    if (arrived.size >= hosts) open();
  };
  return {
    isOpen: () => isOpen,
    /** The host came, or will never come. */
    arrive,
    pass: (host: string): Promise<void> => {
      arrive(host);
      return opened;
    },
    close: () => clearTimeout(timer),
  };
}

const program = (name: string) => readFileSync(new URL(`./helper/${name}`, import.meta.url), 'utf8');

function commandFor(spec: ClusterSpec, { host: name, listen }: ReachHost) {
  const host = hostOf(spec, name);
  const { commandMs, sshConnectMs } = spec.timings;
  const longestMs = Math.min(commandMs, LONGEST_MS);
  const places = listen.flatMap((port) => [host.address, `${port}`]);
  return {
    access: host.ssh,
    host: name,
    argv: [
      ...['sh', '-c', program('reach.sh'), 'sh', program('reach.pl'), program('reach.py')],
      ...[`${Math.ceil(longestMs / 1000)}`, `${PATIENCE_MS}`, reachWord(spec, name), ...places],
    ],
    purpose: `the exam of the ports of ${name}`,
    deadlineMs: longestMs,
    connectMs: sshConnectMs,
  };
}

async function listeners({ host }: ReachHost, conversation: Conversation): Promise<{ ports: number[]; deaf: Deaf[] }> {
  const ports: number[] = [];
  const deaf: Deaf[] = [];
  for (;;) {
    const [word = '', port = '', why = ''] = await fieldsFrom(conversation);
    if (word === 'ready') return { ports, deaf };
    if (word === 'without') throw new CannotExamine('it has neither perl nor python3');
    if (word === 'listening') ports.push(Number(port));
    if (word === 'deaf') deaf.push({ host, port: Number(port), why });
  }
}

interface Try {
  readonly to: string;
  readonly port: number;
  /** What goes to the host: address, port, and the word that it should hear. */
  readonly order: string;
}

/** All ports of the other hosts on which somebody is known to listen. */
function triesOf(
  spec: ClusterSpec,
  { from, hosts, heard }: { from: string; hosts: readonly ReachHost[]; heard: ReadonlyMap<string, readonly number[]> },
): Try[] {
  return hosts
    .filter(({ host }) => host !== from)
    .flatMap(({ host: to, running }) =>
      (heard.get(to) ?? running).map((port) => {
        // A node that runs takes the connection, and says nothing before it is asked.
        const word = running.includes(port) ? '-' : reachWord(spec, to);
        return { to, port, order: `${hostOf(spec, to).address} ${port} ${word}` };
      }),
    );
}

async function failuresOf(from: string, tries: readonly Try[], conversation: Conversation): Promise<ReachFailure[]> {
  conversation.say(`${tries.map(({ order }, index) => `${index} ${order}\n`).join('')}go\n`);
  const failures: ReachFailure[] = [];
  for (;;) {
    const [word = '', index = '', outcome = '', detail = ''] = await fieldsFrom(conversation);
    if (word === 'end') return failures;
    const tried = tries[Number(index)];
    if (word !== 'tried' || tried === undefined || !isFailure(outcome)) continue;
    failures.push({ from, to: tried.to, port: tried.port, outcome, detail });
  }
}

function isFailure(outcome: string): outcome is ReachFailure['outcome'] {
  return ['silent', 'refused', 'stranger', 'failed'].includes(outcome);
}

async function fieldsFrom(conversation: Conversation): Promise<string[]> {
  const line = await conversation.line();
  if (line !== null) return line.split('\t');
  const said = conversation.complaint();
  throw new CannotExamine(`its part of the exam ended early${said === '' ? '' : ` (${said})`}`);
}
