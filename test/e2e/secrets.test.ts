import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operationWorkflowId } from '../../domain/ids.js';
import { findTemporalCli, projectToolsDir } from '../../lab/temporal-cli.js';
import { startTemporalServer, type TemporalServer } from '../../lab/temporal-server.js';
import { type CliResult, type Hands, openStage, type Stage } from '../support/e2e.js';
import { type FoundFile, filesBelow, inClear, toldByTemporal } from '../support/material.js';
import { type SeenProcess, watchProcesses } from '../support/process-watch.js';
import { SecretSearch } from '../support/secret-search.js';
import { until } from '../support/until.js';

const execute = promisify(execFile);

const VARIABLE = 'CANARY_OPERATOR';

/** Random at both ends, by which it is looked for; in between whatever could slip through somebody's quoting. */
function canary(): string {
  const random = () => randomBytes(18).toString('base64url');
  return `${random()}"'\\ $(id) #%2F+/é>{}${random()}`;
}

const CANARIES = {
  operator: canary(),
  replication: canary(),
  app: canary(),
  admin: canary(),
  'wrong operator': canary(),
} as const;

const search = new SecretSearch(CANARIES);

/** Where anything was found; the secret itself is in no message of this test either. */
function leaks(texts: readonly string[]): string[] {
  return [...new Set(texts.flatMap((text) => search.find(text)))];
}

describe('a secret is nowhere but where it has to be', () => {
  let folder: string;
  let temporal: TemporalServer;
  let stage: Stage;
  /** The machine whose environment holds the operator's secret. */
  let holder: Hands;
  const said: string[] = [];
  let logged: string;
  let told: string[];
  let processes: SeenProcess[];
  /** Of the lab, while the cluster runs. */
  let files: FoundFile[];
  let helpers: string[];
  let server: FoundFile[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'redisforge-secrets-'));
    temporal = await startTemporalServer({
      cli: await findTemporalCli({ env: process.env, toolsDir: projectToolsDir() }),
      dbFile: join(folder, 'temporal.db'),
      logFile: join(folder, 'temporal.log'),
      ui: 'none',
      lifetime: 'attached',
    });
    stage = await openStage({ temporalAddress: temporal.address, name: 'canaries' });
    holder = stage.elsewhere({ [VARIABLE]: CANARIES.operator });
    await plantCanaries();
    const watch = watchProcesses();
    try {
      await live();
    } finally {
      await watch.stop();
      processes = watch.seen();
    }
    server = await filesBelow(folder);
  });
  afterAll(async () => {
    await stage.close();
    await temporal.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Three as files of the lab, one in the environment. */
  async function plantCanaries(): Promise<void> {
    for (const duty of ['replication', 'app', 'admin'] as const) {
      await writeFile(secretFile(duty), `${CANARIES[duty]}\n`);
    }
    await rm(secretFile('operator'));
    const withVariable = await stage.variant((document) => document.setIn(['secrets', 'operator'], `env:${VARIABLE}`));
    await rename(withVariable, stage.specFile);
  }

  const secretFile = (duty: string) => join(stage.lab.dir, 'secrets', duty);

  /** The whole life of a cluster, with all that can go wrong about its secrets. */
  async function live(): Promise<void> {
    await withoutTheSecret();
    const worker = await holder.startChattyWorker();
    await failingStart();
    await call(holder, 10, 'plan', '-f', stage.specFile);
    await call(holder, 0, 'apply', '-f', stage.specFile, '--yes', '--json', '--reason', 'canaries');
    await wrongSecret();
    await secretInSpec();
    await everyLook();
    files = await filesBelow(stage.lab.dir);
    helpers = await byHand();
    told = await tellTemporal();
    await call(holder, 0, 'destroy', '-f', stage.specFile, '--yes', '--confirm', 'canaries', '--delete-data');
    told.push(...(await tellTemporal()));
    worker.kill('SIGTERM');
    await worker.exited;
    logged = worker.output();
  }

  /** Runs the CLI; all that it says is kept. */
  async function call(hands: Hands, exitCode: number, ...argv: string[]): Promise<CliResult> {
    const result = await hands.run(...argv);
    said.push(result.stdout, result.stderr);
    expect(result.exitCode, `${argv.join(' ')}\n${result.stderr}`).toBe(exitCode);
    return result;
  }

  /** The worker's machine lacks what the CLI's has. */
  async function withoutTheSecret(): Promise<void> {
    const worker = await stage.startWorker();
    const { stderr } = await call(holder, 4, 'apply', '-f', stage.specFile, '--yes');
    expect(stderr).toContain(`SecretUnavailable: On ${hostname()}, the secret env:${VARIABLE} is not set.`);
    worker.kill('SIGTERM');
    await worker.exited;
  }

  /** The end of Redis's log is in the failure. */
  async function failingStart(): Promise<void> {
    const bad = await stage.variant((document) => document.setIn(['redis', 'extra'], { 'no-such-directive': 'yes' }));
    const { stderr } = await call(holder, 1, 'apply', '-f', bad, '--yes');
    expect(stderr).toContain('no-such-directive');
  }

  async function wrongSecret(): Promise<void> {
    const stranger = stage.elsewhere({ [VARIABLE]: CANARIES['wrong operator'] });
    await call(stranger, 4, 'apply', '-f', stage.specFile, '--yes');
    const { stdout } = await call(stranger, 4, 'status', '-f', stage.specFile, '--json');
    expect(stdout).toContain('WrongSecret');
  }

  /** Somebody wrote the secret itself where its reference belongs, and where Redis would take it. */
  async function secretInSpec(): Promise<void> {
    const careless = await stage.variant((document) => {
      document.setIn(['secrets', 'operator'], CANARIES.operator);
      document.setIn(['redis', 'extra'], { masterauth: CANARIES.replication });
    });
    for (const verb of ['validate', 'plan']) {
      const { stderr } = await call(holder, 2, verb, '-f', careless);
      expect(stderr).toContain('secrets.operator is not a reference to a secret');
      expect(stderr).toContain('masterauth');
    }
    await call(holder, 2, 'validate', '-f', careless, '--json');
    await rm(careless);
  }

  async function everyLook(): Promise<void> {
    const spec = ['-f', stage.specFile];
    const node = `${stage.spec.hosts[0]?.name}:${stage.spec.hosts[0]?.nodes[0]?.port}`;
    const address = `${stage.spec.hosts[0]?.address}:${stage.spec.hosts[0]?.nodes[0]?.port}`;
    await call(holder, 0, 'validate', ...spec);
    await call(holder, 0, 'apply', ...spec, '--yes');
    await call(holder, 0, 'status', ...spec);
    await call(holder, 0, 'status', ...spec, '--json');
    await call(holder, 0, 'check', ...spec);
    await call(holder, 0, 'inspect', address, '--user', 'admin', '--password', `file:${secretFile('admin')}`, '--json');
    for (const user of ['app', 'admin', 'operator']) {
      await call(holder, 0, 'connect', ...spec, '--as', user);
      await call(holder, 0, 'connect', ...spec, '--as', user, '--json');
    }
    await call(holder, 0, 'logs', node, ...spec, '--lines', '1000');
    await call(holder, 0, 'ops', 'list');
    await call(holder, 0, 'ops', 'show', 'canaries');
    await call(holder, 0, 'ops', 'show', 'canaries', '--json');
    await call(holder, 2, 'destroy', ...spec, '--yes', '--confirm', 'another');
  }

  /** What a person is shown on a host. */
  async function byHand(): Promise<string[]> {
    const verbs = [['show'], ['journal', '1000'], ['node', 'log', '6379', '1000'], ['node', 'status', '6379']];
    const answers = await Promise.all(
      stage.lab.hosts.flatMap(({ root }) => verbs.map((verb) => execute(join(root, 'bin/redisforge-host'), verb))),
    );
    return answers.flatMap(({ stdout, stderr }) => [stdout, stderr]);
  }

  async function tellTemporal(): Promise<string[]> {
    const connection = await Connection.connect({ address: temporal.address });
    try {
      return await toldByTemporal(new Client({ connection }), operationWorkflowId('canaries'));
    } finally {
      await connection.close();
    }
  }

  it('not in what the CLI says', () => {
    expect(said.join()).toContain('done and proven');
    expect(leaks(said)).toEqual([]);
  });

  it("not in the worker's log, however much it logs", () => {
    expect(logged).toContain('"level":20');
    expect(logged).toContain('NodeWontStart');
    expect(leaks([logged])).toEqual([]);
  });

  it('not in inputs, results and failures, and not in what the Temporal UI shows', () => {
    expect(told.join()).toContain(`env:${VARIABLE}`);
    expect(leaks(told)).toEqual([]);
  });

  it("not in the Temporal server's database and log, so in no heartbeat either", () => {
    expect(server.map(({ text }) => text).join()).toContain(`env:${VARIABLE}`);
    expect(leaks(server.map(({ text }) => text))).toEqual([]);
  });

  it('not in the arguments of any process', () => {
    const commands = processes.map((process) => process.arguments);
    for (const known of ['redisforge apply', 'bin/redisforge-host', 'redis-server']) {
      expect(commands.some((command) => command.includes(known))).toBe(true);
    }
    expect(leaks(commands)).toEqual([]);
  });

  it('in no environment but that of the commands that were given it', () => {
    const holding = processes.filter(({ environment }) => search.find(environment).length > 0);
    expect(holding.length).toBeGreaterThan(0);
    expect(holding.filter((process) => !process.arguments.includes('bin/redisforge '))).toEqual([]);
  });

  it("on the hosts only in redis.conf, the replication secret alone; there and in the lab's own files for nobody else to read", () => {
    const holding = files
      .map(({ path, mode, text }) => ({ path, mode, found: search.find(text) }))
      .filter(({ found }) => found.length > 0);
    const nodes = stage.lab.hosts.map(({ name }) => `hosts/${name}/root/nodes/6379/redis.conf`);
    const own = ['admin', 'app', 'replication'].map((duty) => `secrets/${duty}`);
    expect(holding.map(({ path }) => path).sort()).toEqual([...nodes, ...own].sort());
    expect([...new Set(holding.map(({ mode }) => mode))]).toEqual(['600']);
    for (const { path, found } of holding) {
      if (nodes.includes(path)) expect(found.map((one) => one.split(' ')[0])).toEqual(['replication']);
    }
    for (const seen of ['record/journal', 'log/redis.log', 'users.acl']) {
      expect(files.some(({ path }) => path.endsWith(seen))).toBe(true);
    }
  });

  it('not in what the helper shows on a host', () => {
    expect(helpers.join()).toContain('host.claimed');
    expect(leaks(helpers)).toEqual([]);
  });
});

describe('the search finds a secret that is planted', () => {
  const secret = CANARIES.admin;
  const cases: [string, string][] = [
    ['in a line of output', `error: cannot log in with ${secret}.`],
    ['in a log line', JSON.stringify({ level: 20, error: { command: { args: ['admin', secret] } } })],
    ['cut off', `WRONGPASS ${secret.slice(0, 16)}...`],
    ['in an address', `redis://admin:${encodeURIComponent(secret)}@h1:6379`],
    ['in hex', Buffer.from(`AUTH ${secret}`).toString('hex')],
    ['in the payload of a history', inClear(historyWith({ spec: { secrets: { admin: secret } } }))],
    ['in base64 inside a payload', inClear(historyWith({ stdin: Buffer.from(`file ${secret}`).toString('base64') }))],
  ];

  it.each(cases)('%s', (_where, text) => {
    expect(search.find(text).join()).toMatch(/^admin in /);
    expect(search.find(text.replaceAll(/[A-Za-z0-9]/g, 'x'))).toEqual([]);
  });

  it.each(['', 'a', 'ab', 'abc'])('in base64 of a text, behind %j', (before) => {
    expect(search.find(Buffer.from(`${before}${secret}`).toString('base64'))).toContain('admin in base64');
    expect(search.find(Buffer.from(`${before}${secret}`).toString('base64url'))).toContain('admin in base64');
  });

  it('in arguments and environment of a process', async () => {
    const watch = watchProcesses();
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', secret], {
      env: { PLANTED: CANARIES.app },
      stdio: 'ignore',
    });
    try {
      await until('arguments and environment are found', () => {
        const seen = watch.seen();
        const argumentsFound = leaks(seen.map((process) => process.arguments));
        const environmentFound = leaks(seen.map((process) => process.environment));
        return argumentsFound.join() === 'admin in plain' && environmentFound.join() === 'app in plain';
      });
    } finally {
      child.kill('SIGKILL');
      await watch.stop();
    }
  });

  it('in a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'redisforge-planted-'));
    try {
      await writeFile(join(folder, 'journal'), secret);
      const [file] = await filesBelow(folder);
      expect(file?.path).toBe('journal');
      expect(search.find(file?.text ?? '')).toEqual(['admin in plain']);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** As Temporal exports one. */
function historyWith(input: unknown): string {
  const data = Buffer.from(JSON.stringify(input)).toString('base64');
  return JSON.stringify({ events: [{ workflowExecutionStartedEventAttributes: { input: { payloads: [{ data }] } } }] });
}
