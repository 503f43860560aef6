import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSpec } from '../../config/load.js';
import type { SpecDraft } from '../../config/schema.js';
import { createSecretResolver, makeSecretFile, resolveSecrets } from '../../config/secrets.js';
import { writeSpec } from '../../config/write-spec.js';
import { connectVerb } from '../../starters/verbs/connect.js';
import { initVerb } from '../../starters/verbs/init.js';
import { validateVerb } from '../../starters/verbs/validate.js';
import { startLab, type TestLab } from '../support/lab.js';
import { freePort, freePorts } from '../support/ports.js';
import { type RenderedNode, startRenderedNode } from '../support/rendered-node.js';
import { runVerb } from '../support/run-verb.js';
import { until } from '../support/until.js';

const EXAMPLES = join(import.meta.dirname, '../../config/examples');
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMsz/9gFo0DsmGYcyvSE5gP6vWVkfAtm8KyOBjj9nrb9';
const DUTIES = ['admin', 'app', 'operator', 'replication'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redisforge-verbs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('validate', () => {
  const validate = (...argv: string[]) => runVerb(validateVerb, folder, ['validate', ...argv]);

  it('says what a new cluster would look like', async () => {
    const { code, out } = await validate('-f', join(EXAMPLES, 'three-hosts.yaml'));
    expect(code).toBe(0);
    expect(out).toContain('sessions: valid; 6 nodes on 3 hosts in 3 zones.');
    expect(out).toContain('  one:6379 <- two:6380');
  });

  it('lists all problems of a bad one, for people and for scripts', async () => {
    const path = join(folder, 'bad.yaml');
    await writeFile(path, 'apiVersion: redisforge/v1\nnmae: orders\nshape: {masters: 2}\n');
    const { code, err, out } = await validate('-f', path);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('line 2: nmae is not a key that is known here. Right: did you mean `name`?');
    expect(err).toContain('line 3: shape.masters is 2');

    const json = await validate('-f', path, '--json');
    expect(json.code).toBe(2);
    const { valid, problems } = JSON.parse(json.out) as { valid: boolean; problems: Record<string, unknown>[] };
    expect(valid).toBe(false);
    expect(problems).toContainEqual({
      path: 'shape.masters',
      line: 3,
      reason: expect.stringContaining('is 2') as string,
      right: '3 or more',
    });
  });
});

describe('init', { timeout: 120_000 }, () => {
  let lab: TestLab;
  beforeAll(async () => {
    lab = await startLab({ hosts: 3, zones: 3, nodesPerHost: 2 });
  }, 120_000);
  afterAll(() => lab.down());

  const init = (...argv: string[]) => runVerb(initVerb, folder, ['init', ...argv]);
  const hostArguments = () =>
    lab.hosts.flatMap(({ user, address, sshPort, zone, name }) => [
      '--host',
      `${user}@${address}:${sshPort},zone=${zone},name=${name}`,
    ]);
  const nodePorts = ['--nodes-per-host', '2', '--port', '7300'];

  it('writes a spec that can be used, with the keys of the hosts pinned and secrets for the owner alone', async () => {
    const identity = ['--identity', lab.hosts[0]?.identityFile ?? ''];
    const { code, err, out } = await init('--name', 'fresh', ...hostArguments(), ...nodePorts, ...identity, '--yes');
    expect([code, err.match(/SHA256:/g)?.length]).toEqual([0, 3]);
    const { spec } = await loadSpec({ path: out });
    expect(out).toBe(join(folder, 'fresh.yaml'));
    expect(spec.shape).toEqual({ masters: 3, replicasPerMaster: 1 });
    expect(spec.uid).toMatch(/^[0-9a-f-]{36}$/);
    for (const host of lab.hosts) {
      const declared = spec.hosts.find(({ name }) => name === host.name);
      expect(declared?.ssh).toMatchObject({
        host: host.address,
        port: host.sshPort,
        user: host.user,
        auth: { kind: 'key', identityFile: host.identityFile },
        hostKeys: { kind: 'pinned', keys: [await lab.driver.hostKey(host)] },
      });
    }
    const secrets = await resolveSecrets({ spec, resolve: createSecretResolver({ env: {}, machine: 'test' }) });
    for (const duty of DUTIES) {
      expect((await stat(join(folder, 'secrets/fresh', duty))).mode & 0o777).toBe(0o600);
    }
    const text = await readFile(out, 'utf8');
    for (const { current } of Object.values(secrets)) expect(text + err).not.toContain(current.reveal());
  });

  it('never writes over a spec or a secret', async () => {
    const path = join(folder, 'kept.yaml');
    await writeFile(path, 'mine');
    const refused = await init('--name', 'kept', ...hostArguments(), ...nodePorts, '--yes');
    expect([refused.code, await readFile(path, 'utf8')]).toEqual([3, 'mine']);
    expect(refused.err).toContain('is there already');

    await makeSecretFile(join(folder, 'secrets/again/operator'));
    const before = await readFile(join(folder, 'secrets/again/operator'), 'utf8');
    const { code } = await init('--name', 'again', ...hostArguments(), ...nodePorts, '--yes');
    expect([code, await readFile(join(folder, 'secrets/again/operator'), 'utf8')]).toEqual([0, before]);
  });

  it('pins nothing that nobody confirmed', async () => {
    const { code, err } = await init('--name', 'unsure', ...hostArguments(), ...nodePorts);
    expect(code).toBe(3);
    expect(err).toContain('The keys of the hosts were not confirmed.');
    expect((await readdir(folder)).filter((file) => file.startsWith('unsure'))).toEqual([]);
    expect(await readdir(join(folder, 'secrets'))).not.toContain('unsure');
  });

  it('refuses hosts that make no cluster, with the reason', async () => {
    const { code, err } = await init('--name', 'few', ...hostArguments(), '--yes');
    expect(code).toBe(2);
    expect(err).toContain('shape.masters is 1');
  });

  it('says which --host it does not understand', async () => {
    const { code, err } = await init('--name', 'odd', '--host', 'just-a-name', '--yes');
    expect(code).toBe(2);
    expect(err).toContain('--host just-a-name is not understood.');
    expect(err).toContain('user@host[:port],zone=ZONE');
  });

  it('says which host shows no key', async () => {
    const port = await freePort();
    const { code, err } = await init('--name', 'gone', '--host', `me@127.0.0.1:${port},zone=a`, '--yes');
    expect(code).toBe(4);
    expect(err).toContain(`127.0.0.1:${port}`);
  });
});

describe('connect', { timeout: 60_000 }, () => {
  const run = promisify(execFile);
  let path: string;
  let node: RenderedNode;
  let secret: string;

  beforeAll(async () => {
    const [first = 0, ...others] = await freePorts(3);
    const hosts = [first, ...others].map((port, i) => ({
      name: `h${i + 1}`,
      zone: `z${i + 1}`,
      address: '127.0.0.1',
      root: join(folder, `h${i + 1}`),
      ssh: { port: 2200 + i },
      nodes: [port],
    }));
    const secretFile = async (duty: string): Promise<string> => {
      const file = join(folder, 'its secrets', duty);
      await makeSecretFile(file);
      return file;
    };
    const reference = async (duty: string): Promise<`file:${string}`> => {
      await secretFile(duty);
      return `file:its secrets/${duty}`;
    };
    const draft: SpecDraft = {
      apiVersion: 'redisforge/v1',
      name: 'orders',
      uid: '5b0f6f0e-6f5c-4a54-9a53-6d3f6f0c2a11',
      engine: { version: '7.0' },
      shape: { masters: 3, replicasPerMaster: 0, withoutReplicas: 'to try the snippets' },
      ssh: { user: 'redis', agent: true, hostKeys: [KEY] },
      hosts,
      service: { method: 'process' },
      redis: { maxclients: 100, nofile: 1024 },
      secrets: {
        operator: { exec: ['/bin/sh', '-c', 'cat "$1"', "it's run", await secretFile('operator')] },
        replication: await reference('replication'),
        app: await reference('app'),
        admin: 'env:ORDERS_ADMIN',
      },
    };
    path = join(folder, 'orders.yaml');
    await writeFile(path, writeSpec(draft));
    const { spec } = await loadSpec({ path });
    const resolve = createSecretResolver({ env: { ORDERS_ADMIN: 'q8Jd2Lx0vT5nRzWc' }, machine: 'test' });
    const secrets = await resolveSecrets({ spec, resolve });
    secret = secrets.app.current.reveal();
    const [host] = spec.hosts;
    if (host === undefined) throw new Error('the spec has hosts');
    node = await startRenderedNode({ spec, host, port: first, secrets });
    await node.as('admin').call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await until('the cluster takes writes', async () => (await node.as('app').set('greeting', 'hello')) === 'OK');
  }, 60_000);
  afterAll(() => node.stop());

  const connect = (...argv: string[]) => runVerb(connectVerb, folder, ['connect', '-f', path, ...argv]);
  const snippet = (out: string, client: string) => {
    const lines = out.split('\n');
    const after = lines.slice(lines.indexOf(client) + 1);
    const end = after.findIndex((line) => !line.startsWith('  '));
    return after
      .slice(0, end === -1 ? undefined : end)
      .map((line) => line.slice(2))
      .join('\n');
  };

  it('prints a line for redis-cli that works as it is', async () => {
    const { code, out } = await connect();
    expect(code).toBe(0);
    expect(out).not.toContain(secret);
    const { stdout } = await run('sh', ['-c', `${snippet(out, 'redis-cli')} get greeting`]);
    expect(stdout.trim()).toBe('hello');
  });

  it('prints lines for ioredis that work as they are', async () => {
    const { out } = await connect();
    const script = `${snippet(out, 'ioredis')}\nconsole.log(await cluster.get('greeting'));\ncluster.disconnect();`;
    const { stdout } = await run('node', ['--input-type=module', '-e', script]);
    expect(stdout.trim()).toBe('hello');
  });

  it('prints lines for redis-py that name the same nodes, user and file', async () => {
    const python = snippet((await connect()).out, 'redis-py');
    expect(python).toContain('RedisCluster(startup_nodes=nodes, username="app", password=password)');
    expect(python).toContain(`open("${join(folder, 'its secrets/app')}"`);
  });

  it('takes another user by duty or name, and its secret from the environment', async () => {
    const { out } = await connect('--as', 'admin');
    const { stdout } = await run('sh', ['-c', `${snippet(out, 'redis-cli')} acl whoami`], {
      env: { ...process.env, ORDERS_ADMIN: 'q8Jd2Lx0vT5nRzWc' },
    });
    expect(stdout.trim()).toBe('admin');
    expect((await connect('--as', 'redisforge-operator', '--json')).out).toContain('"user":"redisforge-operator"');
  });

  it('prints lines that take the secret from a program, and work as they are', async () => {
    const { out } = await connect('--as', 'operator');
    const { stdout } = await run('sh', ['-c', `${snippet(out, 'redis-cli')} acl whoami`]);
    expect(stdout.trim()).toBe('redisforge-operator');
    const script = `${snippet(out, 'ioredis')}\nconsole.log(await cluster.cluster('MYID'));\ncluster.disconnect();`;
    expect((await run('node', ['--input-type=module', '-e', script])).stdout).toMatch(/^[0-9a-f]{40}\n$/);
    const file = join(folder, 'its secrets', 'operator');
    expect(snippet(out, 'redis-py')).toContain(
      `password = subprocess.check_output(["/bin/sh","-c","cat \\"$1\\"","it's run","${file}"]).decode().rstrip("\\n")`,
    );
  });

  it('gives scripts nodes, user and the reference of the secret', async () => {
    const { out } = await connect('--json');
    const { spec } = await loadSpec({ path });
    expect(JSON.parse(out)).toEqual({
      nodes: spec.hosts.map(({ address, nodes }) => `${address}:${nodes[0]?.port}`),
      user: 'app',
      secret: `file:${join(folder, 'its secrets/app')}`,
    });
  });

  it('says which users there are', async () => {
    const { code, err } = await connect('--as', 'nobody');
    expect(code).toBe(2);
    expect(err).toContain('app, admin, redisforge-operator');
  });
});
