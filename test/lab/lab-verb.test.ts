import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { labVerb } from '../../starters/verbs/lab.js';
import { runVerb } from '../support/run-verb.js';

const status = z.object({
  dir: z.string(),
  state: z.string(),
  hosts: z.array(
    z.object({
      name: z.string(),
      address: z.string(),
      sshPort: z.int(),
      user: z.string(),
      identityFile: z.string(),
      root: z.string(),
      state: z.string(),
    }),
  ),
});

describe('redisforge lab', () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'redisforge-lab-verb-'));
  });
  afterAll(async () => {
    await lab('down');
    await rm(cwd, { recursive: true, force: true });
  });

  const lab = (...argv: string[]) => runVerb(labVerb, cwd, ['lab', ...argv]);

  it('says that there is none, with exit code 1', async () => {
    const { out, code } = await lab('status', '--json');
    expect(code).toBe(1);
    expect(status.parse(JSON.parse(out))).toMatchObject({ state: 'none', hosts: [] });
  });

  it('refuses numbers that make no cluster before it starts anything', async () => {
    for (const argv of [
      ['--hosts', '2'],
      ['--hosts', '5', '--replicas', '1'],
      ['--hosts', '0'],
      ['--hosts', '3', '--zones', '4'],
    ]) {
      const { err, code } = await lab('up', ...argv);
      expect([argv, code]).toEqual([argv, 2]);
      expect(err).toContain('BadSpec');
    }
    expect(existsSync(join(cwd, '.lab'))).toBe(false);
  });

  it('brings a lab up in .lab, shows it, acts on its hosts and takes it away', async () => {
    const up = await lab('up', '--hosts', '3', '--nodes-per-host', '2', '--json');
    expect(up.code).toBe(0);
    const started: unknown = JSON.parse(up.out);
    expect(started).toMatchObject({ state: 'up', changed: true, spec: join(cwd, '.lab/cluster.yaml') });
    const { hosts } = status.parse(started);
    expect(hosts.map(({ name }) => name)).toEqual(['h1', 'h2', 'h3']);
    expect(hosts.every(({ root, identityFile }) => root.startsWith(cwd) && existsSync(identityFile))).toBe(true);

    expect(JSON.parse((await lab('up', '--json')).out)).toMatchObject({ state: 'up', changed: false });

    expect(await lab('kill', 'h2')).toMatchObject({ code: 0, out: 'h2 is killed.' });
    const partial = await lab('status', '--json');
    expect(partial.code).toBe(1);
    expect(status.parse(JSON.parse(partial.out)).hosts.map(({ state }) => state)).toEqual([
      'running',
      'stopped',
      'running',
    ]);
    await lab('start', 'h2');
    expect((await lab('status')).code).toBe(0);

    expect(await lab('freeze', 'h9')).toMatchObject({ code: 2 });
    expect(await lab('down')).toMatchObject({ code: 0 });
    expect(existsSync(join(cwd, '.lab'))).toBe(false);
  });

  it('writes its spec where it is told to, over that of an earlier lab and over nothing else', async () => {
    const spec = join(cwd, 'out/orders.yaml');
    const up = () => lab('up', '--hosts', '3', '--name', 'orders', '--spec-out', 'out/orders.yaml');
    await up();
    const first = await readFile(spec, 'utf8');
    expect(first).toContain('name: orders');
    await lab('down');
    await up();
    expect(await readFile(spec, 'utf8')).not.toBe(first);
    await lab('down');
    await writeFile(spec, 'name: mine\n');
    expect(await up()).toMatchObject({ code: 3 });
    expect(await readFile(spec, 'utf8')).toBe('name: mine\n');
    await lab('down');
  });
});
