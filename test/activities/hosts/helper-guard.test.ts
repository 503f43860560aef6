import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claim, helperHost, type HelperHost } from './run-helper.js';

const GUARDED = 19;
const ID = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const AT = '127.0.0.1:7001@17001';

let host: HelperHost;
beforeEach(async () => {
  host = await helperHost();
  await host.run(claim());
  await host.act(['identities', `7001=${ID}`]);
});
afterEach(() => host.remove());

async function put(files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(host.root, 'nodes/7001', path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}

const nodesConf = (flags: string, slots = '0-99 200 [300->-x]', id = ID) =>
  `${OTHER} 127.0.0.1:7002@17002 slave ${ID} 0 0 1 connected\n${id} ${AT} ${flags} - 0 0 1 connected ${slots}\nvars currentEpoch 6 lastVoteEpoch 0\n`;
const MASTER = nodesConf('myself,master');
const AOF = 'appendonly yes\nsave ""\n';

async function guard(): Promise<string> {
  const { code, lines } = await host.run(['node', 'guard', '7001']);
  expect(code).toBe(lines.length === 0 ? 0 : GUARDED);
  return lines[0]?.split('\t')[1] ?? 'may start';
}

describe('the boot guard', () => {
  it.each<[string, string, Record<string, string>]>([
    ['no folder at all', 'no-data', {}],
    ['a configuration and no data folder', 'no-data', { 'redis.conf': AOF }],
    ['a data folder of a fresh volume', 'no-nodes-conf', { 'data/lost+found/x': '' }],
    ['an empty nodes.conf', 'no-nodes-conf', { 'data/nodes.conf': '' }],
    ['a nodes.conf that names nobody as itself', 'no-nodes-conf', { 'data/nodes.conf': nodesConf('master') }],
    ['the volume of another node', 'other-identity', { 'data/nodes.conf': nodesConf('myself,master', '0-9', OTHER) }],
    ['a replica without data', 'may start', { 'data/nodes.conf': nodesConf('myself,slave', ''), 'redis.conf': AOF }],
    ['a master without slots', 'may start', { 'data/nodes.conf': nodesConf('myself,master', ''), 'redis.conf': AOF }],
    [
      'a master that only takes slots in',
      'may start',
      { 'data/nodes.conf': nodesConf('myself,master', '[5-<-x]'), 'redis.conf': AOF },
    ],
    ['a master without a configuration yet', 'may start', { 'data/nodes.conf': MASTER }],
    ['a master without its log', 'no-aof', { 'data/nodes.conf': MASTER, 'redis.conf': AOF }],
    [
      'appendonly yes beside only a dump',
      'aof-beside-rdb',
      { 'data/nodes.conf': MASTER, 'redis.conf': AOF, 'data/dump.rdb': 'x' },
    ],
    [
      'an empty manifest',
      'no-aof',
      { 'data/nodes.conf': MASTER, 'redis.conf': AOF, 'data/appendonlydir/appendonly.aof.manifest': '' },
    ],
    [
      'a log',
      'may start',
      { 'data/nodes.conf': MASTER, 'redis.conf': AOF, 'data/appendonlydir/appendonly.aof.manifest': 'x' },
    ],
    ['a log of Redis 6', 'may start', { 'data/nodes.conf': MASTER, 'redis.conf': AOF, 'data/appendonly.aof': 'x' }],
    [
      'a log under names of its own',
      'may start',
      {
        'data/nodes.conf': MASTER,
        'redis.conf': `${AOF}AppendDirName "logs"\nappendfilename "own.aof"\n`,
        'data/logs/own.aof.manifest': 'x',
      },
    ],
    [
      'a dump that is loaded',
      'may start',
      { 'data/nodes.conf': MASTER, 'redis.conf': 'appendonly no\nsave 3600 1\n', 'data/dump.rdb': 'x' },
    ],
    ['a missing dump', 'no-rdb', { 'data/nodes.conf': MASTER, 'redis.conf': 'save ""\nsave 3600 1\n' }],
    [
      'no persistence',
      'no-persistence',
      { 'data/nodes.conf': MASTER, 'redis.conf': 'save 3600 1\nsave ""\n', 'data/dump.rdb': 'x' },
    ],
    [
      'a directive that a later one undoes',
      'no-rdb',
      { 'data/nodes.conf': MASTER, 'redis.conf': 'appendonly yes\nsave 1 1\nappendonly no\n' },
    ],
  ])('%s: %s', async (_case, verdict, files) => {
    await put(files);
    expect(await guard()).toBe(verdict);
  });

  it('lets a node begin empty that never was a member', async () => {
    await host.act(['identities', `7002=${OTHER}`]);
    await rm(join(host.root, 'record/identities'));
    expect(await guard()).toBe('may start');
  });

  it('notes since when it holds a node, once, and forgets it when the node may start', async () => {
    await put({ 'run/x': '' });
    expect(await guard()).toBe('no-data');
    const note = await host.read('nodes/7001/run/guard');
    expect(await guard()).toBe('no-data');
    expect(await host.read('nodes/7001/run/guard')).toBe(note);
    const [at] = note.split(' ');
    const { lines } = await host.run(['show']);
    expect(lines).toContain(`guarded\t7001\tno-data\t${at}\t`);
    await put({ 'data/nodes.conf': nodesConf('myself,slave', '') });
    expect(await guard()).toBe('may start');
    await expect(host.read('nodes/7001/run/guard')).rejects.toThrow('ENOENT');
  });

  it('says in a survey what the node owned', async () => {
    await put({ 'data/nodes.conf': MASTER, 'redis.conf': AOF });
    const { lines } = await host.run(['show']);
    expect(lines.find((line) => line.startsWith('guarded'))).toMatch(/^guarded\t7001\tno-aof\t\S+\t0-99 200$/);
  });
});

describe('a start that the guard refuses', () => {
  const start = (...words: string[]) => host.act(['node', 'start', '7001', '127.0.0.1', '0', '2000', ...words]);
  const files = { 'data/nodes.conf': MASTER, 'redis.conf': `bind "127.0.0.1"\n${AOF}`, 'run/x': '', 'log/x': '' };

  it('starts nothing, and is not in the journal', async () => {
    await put({ ...files, service: '/bin/false\n' });
    const refused = await start();
    expect([refused.code, refused.lines]).toEqual([
      GUARDED,
      ['refused\tno-aof\tit was a master with slots, and the append-only log that it would load is not there'],
    ]);
    expect((await host.journal()).map(([, , , , effect]) => effect)).not.toContain('node.started');
  });

  it('is accepted by a word that holds for this one start', async () => {
    await put({ ...files, service: '/bin/false\n' });
    // The guard let it through; that /bin/false ends is its own matter.
    expect((await start('accept-empty')).code).toBe(14);
    expect((await host.journal()).map(([, , , , effect, detail]) => `${effect} ${detail}`)).toContain(
      'node.accepted 7001 starts without its data (no-aof)',
    );
    expect((await start()).code).toBe(GUARDED);
    expect((await start('accept')).code).toBe(2);
  });

  it('is accepted by hand, with the name of who did it', async () => {
    await put({ ...files, service: '/bin/false\n' });
    await host.run(['--by-hand', 'anna', '--force', 'node', 'accept-empty', '7001']);
    expect(await host.journal()).toContainEqual(expect.arrayContaining(['by-hand:anna', 'node.accepted']) as string[]);
  });
});

describe('newer', () => {
  it('runs the helper that comes on stdin only where it has its digest', async () => {
    const text = await host.read('bin/redisforge-host');
    const sha256 = createHash('sha256').update(text).digest('hex');
    const ran = await host.run(['newer', sha256, 'journal', '1'], text);
    expect(ran).toMatchObject({ code: 0, lines: [expect.stringContaining('identity.recorded') as string] });
    expect((await host.run(['newer', sha256, 'journal', '1'], `${text}#`)).code).toBe(18);
    // What it ran is gone, and its exit code came through.
    expect((await host.run(['newer', sha256, 'node', 'guard', '7001'], text)).code).toBe(GUARDED);
    expect(await readdir(join(host.root, 'bin'))).toEqual(['redisforge-host']);
  });

  it('ends itself where it is told to, as nobody else can end what runs as root', async () => {
    await host.act(['job', 'start', 'deaf', '--', 'sh', '-c', 'trap "" TERM; sleep 3']);
    const before = Date.now();
    const killed = ['--within', '0.5', '--by-hand', 'anna', '--force', 'job', 'stop', 'deaf', '60000'];
    // timeout kills itself, too: there is no exit code.
    expect((await host.run(killed)).code).toBeNull();
    expect(Date.now() - before).toBeLessThan(20_000);
  });
});
