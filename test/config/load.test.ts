import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { loadSpec, type SpecProblem, specProblems } from '../../config/load.js';
import type { SpecDraft } from '../../config/schema.js';
import { parseDuration, parseSize } from '../../config/units.js';
import { writeSpec } from '../../config/write-spec.js';
import { ForgeError } from '../../domain/errors.js';
import { declaredNodes } from '../../domain/nodes.js';
import { place } from '../../domain/placement.js';

const EXAMPLES = join(import.meta.dirname, '../../config/examples');
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMsz/9gFo0DsmGYcyvSE5gP6vWVkfAtm8KyOBjj9nrb9';

const draft: SpecDraft = {
  apiVersion: 'redisforge/v1',
  name: 'orders',
  uid: '5b0f6f0e-6f5c-4a54-9a53-6d3f6f0c2a11',
  engine: { version: '7.0' },
  shape: { masters: 3, replicasPerMaster: 1 },
  ssh: { user: 'redis', identityFile: '~/.ssh/id', hostKeys: [KEY] },
  hosts: ['a', 'b', 'c'].map((zone, i) => ({ name: `${zone}1`, zone, address: `10.0.${i}.1`, nodes: [6379, 6380] })),
  secrets: { operator: 'file:secrets/operator', replication: 'env:REPL', app: 'env:APP', admin: 'env:ADMIN' },
};

/** The problems of the draft after a change to it. */
function problemsAfter(change: (document: Record<string, never>) => void): SpecProblem[] {
  const document = parse(writeSpec(draft)) as Record<string, never>;
  change(document);
  return specProblems(stringify(document));
}

function at(document: unknown, ...path: (string | number)[]): Record<string, unknown> {
  return path.reduce((value, key) => (value as Record<string, unknown>)[String(key)], document) as Record<
    string,
    unknown
  >;
}

describe('a spec', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'redisforge-spec-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('takes secrets from programs, written as a vector or as a path alone, also during a rotation', async () => {
    const path = join(folder, 'programs.yaml');
    const show = (what: string) => ({ exec: ['/usr/bin/pass', 'show', what] });
    const operator = { current: 'exec:/opt/op', next: show('op') };
    await writeFile(path, writeSpec({ ...draft, secrets: { ...draft.secrets, operator, app: show('app') } }));
    const { secrets } = (await loadSpec({ path })).spec;
    expect(secrets.app).toEqual({ current: 'exec:["/usr/bin/pass","show","app"]' });
    expect(secrets.operator).toEqual({ current: 'exec:["/opt/op"]', next: 'exec:["/usr/bin/pass","show","op"]' });
  });

  it.each([
    [{ exec: ['pass', 'show'] }, 'secrets.app.exec', 'a program by its absolute path'],
    [{ exec: [] }, 'secrets.app.exec', 'a program by its absolute path'],
    [{ exec: '/usr/bin/pass show' }, 'secrets.app.exec', 'a program by its absolute path'],
    [{ exec: ['/usr/bin/pass', 7] }, 'secrets.app.exec[1]', 'a program by its absolute path'],
    ['exec:pass show', 'secrets.app', 'a reference, env:NAME, file:PATH, exec:/PROGRAM'],
    [{ current: { exec: ['pass'] } }, 'secrets.app.current.exec', 'a program by its absolute path'],
    [{ curent: 'env:APP' }, 'secrets.app.current', 'a reference'],
  ])('says of a secret that is %j what would be right', (secret, path, right) => {
    const problems = problemsAfter((document) => (at(document, 'secrets')['app'] = secret));
    expect(problems.map((problem) => problem.path)).toContain(path);
    expect(problems.find((problem) => problem.path === path)?.right).toContain(right);
  });

  it('is loaded with its defaults, and with paths that count from its own folder', async () => {
    const path = join(folder, 'orders.yaml');
    await writeFile(
      path,
      writeSpec({ ...draft, ssh: { user: 'redis', identityFile: '~/.ssh/id', knownHosts: 'known' } }),
    );
    const { spec } = await loadSpec({ path, env: { HOME: '/home/ops' } });
    expect(spec.mode).toBe('cluster');
    expect(spec.engine).toEqual({ kind: 'redis', version: '7.0' });
    expect(spec.install).toEqual({ method: 'preinstalled', server: '/usr/bin/redis-server' });
    expect(spec.hosts[0]).toEqual({
      name: 'a1',
      zone: 'a',
      address: '10.0.0.1',
      root: '/var/lib/redisforge',
      nodes: [{ port: 6379 }, { port: 6380 }],
      ssh: {
        host: '10.0.0.1',
        port: 22,
        user: 'redis',
        privilege: 'login',
        auth: { kind: 'key', identityFile: '/home/ops/.ssh/id' },
        hostKeys: { kind: 'knownHosts', file: join(folder, 'known') },
      },
    });
    expect(spec.secrets.operator).toEqual({ current: `file:${join(folder, 'secrets/operator')}` });
    expect(spec.redis.maxmemoryPolicy).toBe('noeviction');
    expect(spec.persistence).toEqual({ data: 'durable', appendonly: true, appendfsync: 'everysec', save: '3600 1' });
    expect(spec.timings.startMs).toBe(30_000);
  });

  it('takes numbers for milliseconds and bytes, also in quotes', async () => {
    const path = join(folder, 'numbers.yaml');
    await writeFile(
      path,
      `${writeSpec({ ...draft, redis: { nodeTimeout: 7000, maxmemory: 512_000_000 } })}timings:\n  heartbeat: "700"\n`,
    );
    const { redis, timings } = (await loadSpec({ path })).spec;
    expect([redis.nodeTimeoutMs, redis.maxmemoryBytes, timings.heartbeatMs]).toEqual([7000, 512_000_000, 700]);
  });

  it('may give a host an access of its own, behind a jump host of its own', async () => {
    const path = join(folder, 'jump.yaml');
    const [first, ...others] = draft.hosts;
    if (first === undefined) throw new Error('a draft has hosts');
    const jump = { host: 'bastion', user: 'hop', agent: true as const, hostKeys: [KEY] };
    const ssh = { host: 'a1.internal', port: 2222, user: 'own', agent: true as const, jump };
    await writeFile(path, writeSpec({ ...draft, hosts: [{ ...first, ssh }, ...others] }));
    const { spec } = await loadSpec({ path });
    expect(spec.hosts[0]?.ssh).toEqual({
      host: 'a1.internal',
      port: 2222,
      user: 'own',
      privilege: 'login',
      auth: { kind: 'agent' },
      hostKeys: { kind: 'pinned', keys: [KEY] },
      jump: {
        host: 'bastion',
        port: 22,
        user: 'hop',
        auth: { kind: 'agent' },
        hostKeys: { kind: 'pinned', keys: [KEY] },
      },
    });
    expect(spec.hosts[1]?.ssh.jump).toBeUndefined();
  });

  it('asks for the jump host’s own key where only the hosts’ are pinned', () => {
    const problems = problemsAfter((document) => Object.assign(at(document, 'ssh'), { jump: { host: 'bastion' } }));
    expect(problems[0]).toMatchObject({
      path: 'ssh.jump',
      reason: expect.stringContaining('no pinned host key') as string,
    });
  });

  it('that is wrong is refused with all its problems at once', async () => {
    const path = join(folder, 'bad.yaml');
    await writeFile(path, stringify({ ...draft, nmae: 'x', shape: { masters: 2 }, redis: { maxmemory: 'lots' } }));
    const failure = await loadSpec({ path }).catch((error: unknown) => error);
    if (!(failure instanceof ForgeError)) throw new Error('it was not refused');
    expect(failure.type).toBe('BadSpec');
    expect(failure.text.what).toContain('nmae');
    expect(failure.text.what).toContain('shape.masters is 2');
    expect(failure.text.what).toContain('redis.maxmemory is "lots"');
  });

  it('that is not there is said', async () => {
    await expect(loadSpec({ path: join(folder, 'none.yaml') })).rejects.toMatchObject({ type: 'BadSpec' });
  });

  it('says of a wrong file what it is, in words', async () => {
    const text = (path: string) =>
      loadSpec({ path }).then(
        () => 'loaded',
        (error: unknown) => (error instanceof Error ? error.message : ''),
      );
    expect(await text(join(folder, 'none.yaml'))).toContain('cannot be read: there is no such file');
    expect(await text(folder)).toContain('cannot be read: it is a folder');
    const prose = join(folder, 'README.md');
    await writeFile(prose, 'Durable operations:\nthe file: is: prose\n\tand no spec');
    expect(await text(prose)).toMatch(/line \d: the file (is not valid YAML \(\w+\)|uses a tab|lacks something)/);
  });
});

describe('examples', () => {
  it.each(['three-zones', 'three-hosts', 'agent-and-jump-host'])('%s can be used', async (name) => {
    const { spec } = await loadSpec({ path: join(EXAMPLES, `${name}.yaml`), env: { HOME: '/home/ops' } });
    const placement = place(spec);
    expect(placement.problems).toEqual([]);
    expect(placement.masters.length + placement.replicas.length).toBe(declaredNodes(spec).length);
  });

  it('are all tested here', async () => {
    expect((await readdir(EXAMPLES)).sort()).toEqual([
      'agent-and-jump-host.yaml',
      'three-hosts.yaml',
      'three-zones.yaml',
    ]);
  });
});

describe('problems', () => {
  const TEXT = [
    'apiVersion: redisforge/v1', // 1
    'name: orders',
    'uid: 5b0f6f0e-6f5c-4a54-9a53-6d3f6f0c2a11',
    'engine:',
    '  version: 7.0', // 5
    'shape:',
    '  masters: 2',
    '  replicas: 1',
    'ssh: { user: redis, agent: true, hostKeys: ["' + KEY + '"] }',
    'hosts:', // 10
    '  - name: a1',
    '    zone: a',
    '    adress: 10.0.0.1',
    '    nodes:',
    '      - 6379', // 15
    '      - 99999',
    '  - name: a1',
    '    zone: b',
    '    address: 10.0.0.2',
    'redis:', // 20
    '  maxclients: 20000',
    '  nodeTimeout: soon',
    '  extra:',
    '    masterauth: x',
    'secrets:', // 25
    '  operator: the-secret-itself-by-mistake',
    '  replication: env:REPL',
    '  app: { current: env:APP, nxt: env:NEXT }',
    '  admin: env:REPL',
  ].join('\n');

  it('come all at once, each with its path, its line, the reason and what would be right', () => {
    const found = specProblems(TEXT).map(({ path, line }) => `${line} ${path}`);
    expect(found).toEqual([
      '5 engine.version',
      '7 shape.masters',
      '8 shape.replicas',
      '11 hosts[0].address',
      '13 hosts[0].adress',
      '16 hosts[0].nodes[1]',
      '17 hosts[1].name',
      '21 redis.maxclients',
      '22 redis.nodeTimeout',
      '24 redis.extra.masterauth',
      '26 secrets.operator',
      '28 secrets.app.nxt',
      '29 secrets.admin',
    ]);
    for (const { reason, right } of specProblems(TEXT)) {
      expect(reason).not.toBe('');
      expect(right).not.toBe('');
    }
  });

  it('suggest the nearest known key', () => {
    const rights = new Map(specProblems(TEXT).map(({ path, right }) => [path, right]));
    expect(rights.get('hosts[0].adress')).toContain('did you mean `address`?');
    expect(rights.get('shape.replicas')).toContain('did you mean `replicasPerMaster`?');
    expect(rights.get('secrets.app.nxt')).toContain('did you mean `next`?');
    expect(rights.get('engine.version')).toContain('in quotes');
  });

  it('never quote what stands where a secret should not', () => {
    const shown = JSON.stringify(specProblems(TEXT));
    expect(shown).not.toContain('by-mistake');
    const canary = [
      'secrets: canary-canary',
      'secrets: {operator: *canary-canary}',
      'secrets: [canary-canary',
      'redis: {extra: {requirepass: canary-canary}}',
    ];
    for (const text of canary) {
      const problems = specProblems(text);
      expect(problems).not.toEqual([]);
      expect(JSON.stringify(problems)).not.toContain('canary-canary');
    }
  });

  it('hide a key where the secret itself was written', () => {
    const [problem] = specProblems('secrets: {operator: {canary-canary}}').filter(({ path }) => path.includes('…'));
    expect(problem).toMatchObject({ path: 'secrets.operator.…', line: 1 });
    expect(JSON.stringify(specProblems('secrets: {operator: {canary-canary}}'))).not.toContain('canary');
  });

  it('come without a warning of the parser, which would quote the text', async () => {
    const warned: Error[] = [];
    const note = (warning: Error) => warned.push(warning);
    process.on('warning', note);
    expect(specProblems('{? [canary-canary] : 1}').length).toBeGreaterThan(0);
    await new Promise(setImmediate);
    process.off('warning', note);
    expect(warned).toEqual([]);
  });

  it('name a root that is no folder of our own', () => {
    const problemsOf = (root: string) => specProblems(`root: ${JSON.stringify(root)}`).map(({ path }) => path);
    for (const root of [
      '/usr',
      '/usr/local',
      '/var/lib',
      '/etc/x',
      '/srv/../etc',
      '/srv/.',
      '//x',
      '/srv/a\tb',
      '/a\\b',
    ]) {
      expect(problemsOf(root)).toContain('root');
    }
    for (const root of ['/srv/redis', '/data', "/home/anna/it's a lab", '/dev/shm/x']) {
      expect(problemsOf(root)).not.toContain('root');
    }
  });

  it.each([
    ['', 'the whole file'],
    ['[]', 'a list'],
    ['hosts: 5', 'a wrong kind'],
    ['hosts: [5, null, [], {}]', 'wrong hosts'],
    ['a: 1\na: 2', 'a key twice'],
    ['a: [1, 2', 'a bracket left open'],
    ['a: &x [*x]', 'a circle'],
    ['\tname: x', 'a tab'],
    ['--- 1\n--- 2', 'two documents'],
    ['__proto__: { name: x }', 'a prototype'],
    ['constructor: { name: x }', 'a name that every object has'],
    ['ssh: { hostKeys: [5] }', 'a list that is empty without its wrong item'],
  ])('%j (%s) is refused and breaks nothing', (text) => {
    expect(specProblems(text).length).toBeGreaterThan(0);
  });

  it('are none in what writeSpec writes', async () => {
    expect(specProblems(writeSpec(draft))).toEqual([]);
    expect(writeSpec(draft)).toContain('# References only');
    for (const file of await readdir(EXAMPLES)) {
      const document = parse(await readFile(join(EXAMPLES, file), 'utf8')) as SpecDraft;
      expect(specProblems(writeSpec(document))).toEqual([]);
    }
  });
});

describe('units', () => {
  it.each([
    ['256mb', 268_435_456],
    ['1k', 1000],
    ['4GB', 4_294_967_296],
    ['512', 512],
    ['1.5gb', null],
    ['mb', null],
    ['-1', null],
    ['99999999999gb', null],
  ])('%s is %s bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each([
    ['5s', 5000],
    ['500ms', 500],
    ['2m', 120_000],
    ['5 s', 5000],
    ['1500', 1500],
    ['1.5', null],
    ['1d', null],
  ])('%s is %s milliseconds', (text, ms) => expect(parseDuration(text)).toBe(ms));
});
