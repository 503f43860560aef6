import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claim, fileLine, helperHost, type HelperHost, token } from './run-helper.js';

const USAGE = 2;
const LOCKED = 11;
const NOT_NOW = 17;
const BAD_INSTRUCTIONS = 18;

let host: HelperHost;

beforeEach(async () => {
  host = await helperHost();
  await host.run(claim());
});

afterEach(() => host.remove());

describe('ensure', () => {
  const ensure = (line: string) => host.act(['ensure'], `${line}end\n`);

  it('follows no link out of the root', async () => {
    await mkdir(join(host.root, 'nodes', '7001'), { recursive: true });
    await symlink('/proc', join(host.root, 'nodes', '7001', 'data'));
    await symlink('/proc/self/x', join(host.root, 'nodes', '7001', 'redis.conf'));
    const through = await ensure(fileLine('nodes/7001/data/x', 'x'));
    expect(through).toMatchObject({ code: NOT_NOW, lines: ['refused\tnodes/7001/data is a symbolic link'] });
    expect((await ensure('folder 777 nodes/7001/data\n')).code).toBe(NOT_NOW);
    expect((await ensure(fileLine('nodes/7001/redis.conf', 'x'))).code).toBe(NOT_NOW);
  });

  it('writes neither into the record nor over the program', async () => {
    for (const path of ['record/lease', 'record', 'bin/redisforge-host']) {
      expect((await ensure(fileLine(path, 'x'))).code).toBe(BAD_INSTRUCTIONS);
    }
  });

  it('takes three digits for a mode, and nothing that chmod would take for more', async () => {
    for (const mode of ['4755', '-R', '--reference=/etc', 'u+s', '78']) {
      expect((await ensure(fileLine('file', 'x', mode))).code).toBe(BAD_INSTRUCTIONS);
    }
  });

  it('does not put a file into a folder that stands in its place', async () => {
    await mkdir(join(host.root, 'file'));
    expect(await ensure(fileLine('file', 'x'))).toMatchObject({ code: NOT_NOW, lines: ['refused\tfile is a folder'] });
    expect(await readdir(join(host.root, 'file'))).toEqual([]);
  });
});

describe('the lease', () => {
  it('takes no field of more than one line', async () => {
    expect((await host.run(claim({ actor: 'anna\ngeneration\t99', run: 'r2', generation: '2' }))).code).toBe(USAGE);
    expect(await host.read('record/generation')).toBe('1\n');
  });

  it('that is damaged is not broken by who names no run', async () => {
    await writeFile(join(host.root, 'record', 'lease'), 'generation\t1\nserver\tn1\n');
    expect((await host.run(claim({ workflow: 'other', generation: '2' }))).code).toBe(LOCKED);
  });
});

describe('numbers', () => {
  it.each(['', 'x', '-1', '1e3', '007', '0x1', '99999999999999999999', 'x[$(id)]'])('%j is none', async (odd) => {
    expect((await host.run(['survey', 'address=10.0.0.1', odd || 'nofile=x'])).code).toBe(USAGE);
    expect((await host.act(['node', 'log', '7001', odd])).code).toBe(USAGE);
    expect((await host.run([...token(), '--attempt', odd || 'x', 'ensure'])).code).toBe(USAGE);
  });
});

describe('what is said', () => {
  it('is one line, whatever a file is called', async () => {
    const data = join(host.root, 'nodes', '7001', 'data');
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'x\ngeneration\t99\u001b[2J'), '');
    const { lines } = await host.run(['survey', 'address=10.0.0.1', '7001']);
    expect(lines.filter((line) => line.startsWith('generation'))).toEqual(['generation\t1']);
    expect(lines).toContain('data\t7001\tx?generation?99?[2J');
  });

  it('cannot be forged in the journal by who acts by hand', async () => {
    const forged = await host.run(['--by-hand', 'anna\n2026\t9', '--force', 'ensure'], 'folder 700 a\nend\n');
    expect(forged.code).toBe(USAGE);
    expect((await host.act(['identities', '7001=a\\nb'])).code).toBe(USAGE);
    expect((await host.journal()).every((line) => line.length === 6)).toBe(true);
  });

  it('leaves folders out that are no ports', async () => {
    await mkdir(join(host.root, 'nodes', 'x[$(touch caught)]'), { recursive: true });
    expect((await host.run(['show'])).code).toBe(0);
  });
});

describe('a root', () => {
  it('has to be absolute', async () => {
    expect((await host.run(['--root', 'nowhere', 'survey'])).code).toBe(USAGE);
  });

  it('that holds programs of others keeps them when the host is given back', async () => {
    await writeFile(join(host.root, 'bin', 'theirs'), '');
    expect((await host.act(['host', 'release', 'delete'])).code).toBe(0);
    expect(await readdir(host.root)).toEqual(['bin']);
    expect(await readdir(join(host.root, 'bin'))).toEqual(['theirs']);
  });
});
