import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, parseDocument } from 'yaml';
import { createActivities, type ForgeActivities } from '../../activities/index.js';
import { hostHelper } from '../../activities/hosts/helper.js';
import { createSshPool } from '../../activities/ssh/pool.js';
import { loadSpec } from '../../config/load.js';
import { createSecretResolver } from '../../config/secrets.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { StatusJson } from './e2e.js';
import type { LabHost, LabShape } from '../../lab/driver.js';
import { writeLabSpec } from '../../lab/spec.js';
import { sudoersText } from '../../starters/sudoers.js';
import { statusVerb } from '../../starters/verbs/status.js';
import { type ContainerLab, openContainerLab } from './containers.js';
import { type Direct, direct } from './direct.js';
import { runVerb } from './run-verb.js';

/** Container hosts whose nodes are to be run by systemd, entered by a login that is not root. */
export interface SystemdLab extends Direct {
  readonly lab: ContainerLab;
  readonly spec: ClusterSpec;
  readonly specFile: string;
  readonly activities: ForgeActivities;
  /** The spec with a change, as another person would have it. */
  variant(change: (document: Document) => void): Promise<Direct & { readonly spec: ClusterSpec }>;
  /** Runs a shell command on a host as root, past SSH; what it printed. */
  sh(host: string, command: string): Promise<string>;
  hostOf(name: string): LabHost;
  status(): Promise<StatusJson>;
  close(): Promise<void>;
}

export async function openSystemdLab(shape: Partial<LabShape>): Promise<SystemdLab> {
  const lab = await openContainerLab(shape);
  const specFile = join(lab.dir, 'cluster.yaml');
  const engine = await lab.driver.engine();
  await writeLabSpec({
    lab,
    driver: lab.driver,
    engine,
    cluster: { name: 'orders', nodeTimeoutMs: 2000 },
    path: specFile,
  });
  await change(specFile, specFile, (document) => {
    document.setIn(['service', 'method'], 'systemd');
    document.setIn(['ssh', 'user'], 'operator');
    document.setIn(['ssh', 'sudo'], true);
  });
  const env = process.env;
  const { spec } = await loadSpec({ path: specFile, env });
  const ssh = createSshPool();
  const secrets = createSecretResolver({ env, machine: 'here' });
  const activities = createActivities({ ssh, secrets, helper: hostHelper() });
  const hostOf = (name: string) => {
    const host = lab.hosts.find((one) => one.name === name);
    if (host === undefined) throw new Error(`the lab has no host ${name}`);
    return host;
  };
  let variants = 0;
  return {
    ...direct(activities, spec),
    lab,
    spec,
    specFile,
    activities,
    hostOf,
    async variant(wanted) {
      variants += 1;
      const file = join(lab.dir, `variant-${variants}.yaml`);
      await change(specFile, file, wanted);
      const { spec: other } = await loadSpec({ path: file, env });
      return { ...direct(activities, other), spec: other };
    },
    sh: (host, command) => lab.exec(hostOf(host), ['sh', '-c', command]),
    async status() {
      const { out } = await runVerb(statusVerb, lab.dir, ['status', '-f', specFile, '--json']);
      return JSON.parse(out) as StatusJson;
    },
    async close() {
      await ssh.close();
      await lab.close();
    },
  };
}

async function change(from: string, to: string, wanted: (document: Document) => void): Promise<void> {
  const document = parseDocument(await readFile(from, 'utf8'));
  wanted(document);
  await writeFile(to, document.toString());
}

/** Does on each host what `redisforge doctor --sudoers` says: the helper by hand, and the one rule. */
export async function followSudoers({ lab, spec, sh }: Pick<SystemdLab, 'lab' | 'spec' | 'sh'>): Promise<void> {
  for (const host of spec.hosts) {
    const lines = sudoersText({ hosts: [host] });
    const commands = lines.filter((line) => line.startsWith('install '));
    const rules = lines.filter((line) => /^(Defaults|operator)/.test(line));
    const helper = Buffer.from(hostHelper().text).toString('base64');
    await lab.exec(lab.hosts.find(({ name }) => name === host.name) ?? lab.host(0), [
      'sh',
      '-ec',
      `cd "$(mktemp -d)"; printf %s "$1" | base64 -d >redisforge-host; ${commands.join('; ')}`,
      'sh',
      helper,
    ]);
    await sh(host.name, `printf '%s\\n' ${rules.map((rule) => `'${rule}'`).join(' ')} >/etc/sudoers.d/redisforge`);
    await sh(host.name, 'visudo -cf /etc/sudoers.d/redisforge');
  }
}
