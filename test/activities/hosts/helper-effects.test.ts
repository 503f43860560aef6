import { readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../support/until.js';
import { claim, fileLine, helperHost, type HelperHost } from './run-helper.js';

const BAD_INSTRUCTIONS = 18;
const NOT_NOW = 17;
const GUARDED = 19;

let host: HelperHost;

beforeEach(async () => {
  host = await helperHost();
  await host.run(claim());
});

afterEach(() => host.remove());

describe('ensure', () => {
  const mode = async (path: string) => ((await stat(join(host.root, path))).mode & 0o777).toString(8);

  it('makes folders and files with their modes, and does nothing the second time', async () => {
    const wanted = `folder 700 a/b\n${fileLine('a/b/one', 'żółć\n\ttwo  words\n')}${fileLine('a/b/empty', '', '640')}end\n`;
    const first = await host.act(['ensure'], wanted);
    expect(first.lines).toEqual([
      'effect\tfolder.created\ta/b',
      'effect\tfile.created\ta/b/one',
      'effect\tfile.created\ta/b/empty',
    ]);
    expect(await host.read('a/b/one')).toBe('żółć\n\ttwo  words\n');
    expect([await mode('a/b'), await mode('a/b/one'), await mode('a/b/empty')]).toEqual(['700', '600', '640']);
    const before = await stat(join(host.root, 'a/b/one'));
    expect(await host.act(['ensure'], wanted)).toMatchObject({ code: 0, lines: [] });
    expect((await stat(join(host.root, 'a/b/one'))).ino).toBe(before.ino);
    expect(await readdir(join(host.root, 'a/b'))).toEqual(['empty', 'one']);
  });

  it('replaces a file as a whole, and mends a mode', async () => {
    await host.act(['ensure'], `${fileLine('file', 'old')}end\n`);
    const before = await stat(join(host.root, 'file'));
    expect((await host.act(['ensure'], `${fileLine('file', 'new')}end\n`)).lines).toEqual([
      'effect\tfile.updated\tfile',
    ]);
    expect((await stat(join(host.root, 'file'))).ino).not.toBe(before.ino);
    expect((await host.act(['ensure'], `${fileLine('file', 'new', '644')}end\n`)).lines).toEqual([
      'effect\tfile.mode\tfile 644',
    ]);
  });

  it('does nothing at all where instructions were lost on the way', async () => {
    const cut = await host.act(['ensure'], `folder 700 a\n${fileLine('file', 'content')}`);
    expect(cut.code).toBe(BAD_INSTRUCTIONS);
    expect(await readdir(host.root)).toEqual(['bin', 'record']);
    expect(await readdir(join(host.root, 'record'))).not.toContain('instructions');
  });

  it('keeps the old file where the new content does not have its digest', async () => {
    await host.act(['ensure'], `${fileLine('file', 'old')}end\n`);
    const damaged = fileLine('file', 'new').replace(/\S+\n$/, `${Buffer.from('nwe').toString('base64')}\n`);
    expect((await host.act(['ensure'], `${damaged}end\n`)).code).toBe(BAD_INSTRUCTIONS);
    expect(await host.read('file')).toBe('old');
    expect(await readdir(host.root)).toEqual(['bin', 'file', 'record']);
  });

  it('stays below the root', async () => {
    for (const path of ['../outside', '/etc/outside', 'a/../../outside', './a']) {
      expect((await host.act(['ensure'], `${fileLine(path, 'x')}end\n`)).code).toBe(BAD_INSTRUCTIONS);
    }
  });
});

describe('a link', () => {
  const link = (path: string, target: string) =>
    host.act(['ensure'], `folder 700 nodes/7001\nlink ${path} ${target}\nend\n`);

  it('leads a node to its engine, is switched in one go, and is left where it is right', async () => {
    expect((await link('nodes/7001/current', '../../engines/one')).lines.at(-1)).toBe(
      'effect\tlink.created\tnodes/7001/current to one',
    );
    expect((await link('nodes/7001/current', '../../engines/two')).lines).toEqual([
      'effect\tlink.switched\tnodes/7001/current from one to two',
    ]);
    expect((await link('nodes/7001/current', '../../engines/two')).lines).toEqual([]);
    expect(await readlink(join(host.root, 'nodes/7001/current'))).toBe('../../engines/two');
  });

  it('leads nowhere else, and stands nowhere else', async () => {
    for (const [path, target] of [
      ['nodes/7001/data', '../../engines/one'],
      ['bin/current', '../../engines/one'],
      ['nodes/../../current', '../../engines/one'],
      ['nodes/7001/current', '/etc'],
      ['nodes/7001/current', '../../engines/../../../etc'],
      ['nodes/7001/current', 'one'],
    ] as const) {
      expect((await link(path, target)).code, `${path} ${target}`).toBe(BAD_INSTRUCTIONS);
    }
  });
});

describe('identities', () => {
  it('are noted once, changed where they changed, and said in the record', async () => {
    expect((await host.act(['identities', '7001=aaa', '7002=bbb'])).lines).toHaveLength(2);
    expect((await host.act(['identities', '7001=aaa', '7002=bbb'])).lines).toEqual([]);
    expect((await host.act(['identities', '7001=ccc'])).lines).toEqual(['effect\tidentity.recorded\t7001 ccc']);
    const { lines } = await host.run(['show']);
    expect(lines.filter((line) => line.startsWith('identity')).sort()).toEqual([
      'identity\t7001\tccc',
      'identity\t7002\tbbb',
    ]);
  });
});

describe('a node that leaves the cluster', () => {
  const ID = 'a'.repeat(40);
  const NEW = 'b'.repeat(40);
  const record = async () => {
    const { lines } = await host.run(['show']);
    return lines.filter((line) => /^(identity|forgotten)\t/.test(line)).map((line) => line.replace(/\t/g, ' '));
  };
  const home = (data = '') =>
    host.act(
      ['ensure'],
      `folder 700 nodes/7001/data\nfolder 700 nodes/7001/run\n${fileLine('nodes/7001/data/nodes.conf', data)}end\n`,
    );
  const reset = `${NEW} :7001@17001 myself,master - 0 0 0 connected\nvars currentEpoch 0 lastVoteEpoch 0\n`;
  const guard = async () => (await host.run(['node', 'guard', '7001'])).code;

  it('is noted once, beside what it is, and no more when it is a member again', async () => {
    await host.act(['identities', `7001=${ID}`]);
    const forget = ['identities', 'forget', `7001=${ID}`, `7002=${NEW}`];
    expect((await host.act(forget)).lines).toEqual([
      `effect\tidentity.forgotten\t7001 ${ID}`,
      `effect\tidentity.forgotten\t7002 ${NEW}`,
    ]);
    expect((await host.act(forget)).lines).toEqual([]);
    expect(await record()).toEqual([`identity 7001 ${ID}`, `forgotten 7001 ${ID}`, `forgotten 7002 ${NEW}`]);
    expect((await host.act(['identities', `7001=${ID}`])).lines).toEqual([]);
    expect(await record()).toEqual([`identity 7001 ${ID}`, `forgotten 7002 ${NEW}`]);
    expect((await host.act(['identities', 'forget', '7001=x'])).code).toBe(2);
  });

  it('may start when it was reset since, and only then', async () => {
    await host.act(['identities', `7001=${ID}`]);
    await home(reset);
    expect(await guard()).toBe(GUARDED);
    await host.act(['identities', 'forget', `7001=${ID}`]);
    expect(await guard()).toBe(0);
    for (const volume of [
      reset.replace('vars', `${'c'.repeat(40)} 10.0.0.1:1@2 master - 0 0 1 connected 1-2\nvars`),
      reset.replace('connected', 'connected 1-2'),
      reset.replace('myself,master -', `myself,slave ${ID}`),
      '',
    ]) {
      await home(volume);
      expect(await guard(), volume).toBe(GUARDED);
    }
  });

  it('leaves its port free for another node when it is taken away, also by a command that died in the middle', async () => {
    for (const leave of [() => home(reset), () => Promise.resolve()]) {
      await host.act(['identities', `7001=${ID}`]);
      await leave();
      await host.act(['node', 'remove', '7001', 'delete']);
      expect(await record()).toEqual([`forgotten 7001 ${ID}`]);
      expect(await guard()).toBe(0);
      // The file that holds nothing is gone: a line of nothing could not be read.
      expect(await readdir(join(host.root, 'record'))).not.toContain('identities');
    }
    expect((await host.act(['identities', `7001=${NEW}`])).code).toBe(0);
    expect(await record()).toEqual([`identity 7001 ${NEW}`, `forgotten 7001 ${ID}`]);
  });

  it('keeps its identity with its data, unless it was reset', async () => {
    const member = reset.replace(NEW, ID).replace('vars', `${NEW} 10.0.0.1:1@2 master - 0 0 1 connected 1-2\nvars`);
    await host.act(['identities', `7001=${ID}`]);
    await home(member);
    await host.act(['node', 'remove', '7001', 'keep']);
    expect(await record()).toEqual([`identity 7001 ${ID}`]);
    await host.act(['identities', 'forget', `7001=${ID}`]);
    await host.act(['node', 'remove', '7001', 'keep']);
    expect(await record()).toEqual([`identity 7001 ${ID}`, `forgotten 7001 ${ID}`]);
    await home(reset);
    await host.act(['node', 'remove', '7001', 'keep']);
    expect(await record()).toEqual([`forgotten 7001 ${ID}`]);
  });
});

describe('a job', () => {
  const start = (...command: string[]) => host.act(['job', 'start', 'work', '--', ...command]);
  const status = async () => {
    const [first = '', ...output] = (await host.run(['job', 'status', 'work'])).lines;
    const [, , state, pid, code] = first.split('\t');
    return { state, pid: Number(pid), code, output: output.map((line) => line.split('\t')[1]) };
  };
  const ended = () => until('the job has ended', async () => (await status()).state === 'exited' && status());

  it('that was never started is absent', async () => {
    expect((await status()).state).toBe('absent');
  });

  it('runs detached, and leaves its exit code and output', async () => {
    await start('sh', '-c', 'echo "$1"; exit 3', 'sh', "it's  two");
    expect(await ended()).toMatchObject({ code: '3', output: ["it's  two"] });
  });

  it('that runs or has ended is not started again', async () => {
    const note = join(host.root, 'note');
    const command = ['sh', '-c', 'echo run >>"$1"; read -r line <"$2"', 'sh', note, join(host.root, 'pipe')];
    await host.act(['job', 'start', 'mkfifo', '--', 'mkfifo', join(host.root, 'pipe')]);
    await until('the pipe is there', () => stat(join(host.root, 'pipe')).then(() => true));
    await start(...command);
    expect((await status()).state).toBe('running');
    expect((await start(...command)).lines).toEqual([]);
    await writeFile(join(host.root, 'pipe'), 'go\n');
    await ended();
    expect((await start(...command)).lines).toEqual([]);
    expect(await readFile(note, 'utf8')).toBe('run\n');
  });

  it('of another command under the same name is refused until the first is cleaned away', async () => {
    await start('true');
    await ended();
    expect((await start('false')).code).toBe(NOT_NOW);
    expect((await host.act(['job', 'clean', 'work'])).lines).toEqual(['effect\tjob.cleaned\twork']);
    expect((await start('false')).code).toBe(0);
  });

  it('is stopped in order, and cannot be cleaned away before', async () => {
    await start('sleep', '300');
    expect((await host.act(['job', 'clean', 'work'])).code).toBe(NOT_NOW);
    expect((await host.act(['job', 'stop', 'work', '5000'])).code).toBe(0);
    await until('it is stopped', async () => (await status()).state === 'stopped');
    expect((await host.act(['job', 'clean', 'work'])).code).toBe(0);
  });

  it('that does not heed is reported, not killed', async () => {
    const TOO_SLOW = 16;
    await start('sh', '-c', 'trap "" TERM; echo deaf; while :; do sleep 0.05; done');
    await until('it has set its trap', async () => (await status()).output.includes('deaf'));
    const { pid } = await status();
    try {
      expect(await host.act(['job', 'stop', 'work', '100'])).toMatchObject({ code: TOO_SLOW });
      expect((await status()).state).toBe('running');
    } finally {
      process.kill(pid, 'SIGKILL');
    }
    await until('it has ended', async () => (await status()).state !== 'running');
  });

  it('that a reboot cut off is lost, and its number is not mistaken for another process', async () => {
    await start('sleep', '300');
    const { pid } = await status();
    const path = join(host.root, 'jobs/work/pid');
    const noted = (await readFile(path, 'utf8')).split(' ');
    try {
      await writeFile(path, [noted[0], noted[1], 'another-boot', noted[3]].join(' '));
      expect((await status()).state).toBe('lost');
      await writeFile(path, [noted[0], '12345', noted[2], noted[3]].join(' '));
      expect((await status()).state).toBe('lost');
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  it('keeps no lock: the host can be worked on while it runs', async () => {
    await start('sleep', '300');
    const { pid } = await status();
    try {
      expect((await host.act(['ensure'], 'folder 700 a\nend\n')).code).toBe(0);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });
});
