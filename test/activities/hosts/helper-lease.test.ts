import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claim, helperHost, type HelperHost, token } from './run-helper.js';

const FENCED = 10;
const LOCKED = 11;
const FOREIGN = 12;

let host: HelperHost;

beforeEach(async () => {
  host = await helperHost();
});

afterEach(() => host.remove());

describe('lease take', () => {
  it('claims a bare host, raises its generation and says the whole record', async () => {
    const { code, lines } = await host.run(claim());
    expect(code).toBe(0);
    expect(lines).toContain('cluster\torders\tu1');
    expect(lines).toContain('generation\t1');
    expect(lines).toContain('lease\t1\tn1\tw\tr1\tapply\tanna\t2026-11-21');
    expect((await host.journal()).map((line) => line[4])).toEqual(['host.claimed', 'lease.taken']);
  });

  it('by the same run again changes nothing', async () => {
    await host.run(claim());
    expect((await host.run(claim())).code).toBe(0);
    expect(await host.journal()).toHaveLength(2);
  });

  it('refuses a host of another cluster, naming it', async () => {
    await host.run(claim());
    const refused = await host.run(claim({ uid: 'u2', cluster: 'other', generation: '2' }));
    expect(refused).toMatchObject({ code: FOREIGN, lines: ['refused\torders\tu1'] });
    expect(await host.read('record/cluster')).toBe('u1\norders\n');
  });

  it('refuses an unreleased lease of another server, naming its holder', async () => {
    await host.run(claim());
    const refused = await host.run(claim({ server: 'n2', run: 'r2', generation: '2' }));
    expect(refused.code).toBe(LOCKED);
    expect(refused.lines[0]).toBe('lease\t1\tn1\tw\tr1\tapply\tanna\t2026-11-21');
    expect(await host.read('record/generation')).toBe('1\n');
  });

  it('refuses an unreleased lease of another workflow of the same server', async () => {
    await host.run(claim());
    expect((await host.run(claim({ workflow: 'w2', run: 'r2', generation: '2' }))).code).toBe(LOCKED);
  });

  it('passes an unreleased lease on to a later run of its workflow', async () => {
    await host.run(claim());
    expect((await host.run(claim({ run: 'r2', generation: '2' }))).code).toBe(0);
    expect(await host.read('record/lease')).toContain('run\tr2\n');
  });

  it('gives an unreleased lease to whoever names the run that is to lose it', async () => {
    await host.run(claim());
    const other = { server: 'n2', run: 'r2', generation: '2' };
    expect((await host.run(claim({ ...other, break: 'r0' }))).code).toBe(LOCKED);
    expect((await host.run(claim({ ...other, break: 'r1' }))).code).toBe(0);
  });

  it('refuses a generation that is not above the record, and says which one is current', async () => {
    await host.run(claim({ generation: '7' }));
    expect(await host.run(claim({ run: 'r2', generation: '7' }))).toMatchObject({ code: FENCED });
    const refused = await host.run(claim({ run: 'r2', generation: '6' }));
    expect(refused.lines).toEqual(['refused\t7\tgeneration 6 is not above it']);
  });

  it('is completed by its own run where it was cut off between its files', async () => {
    await host.run(claim({ generation: '3' }));
    await rm(join(host.root, 'record/generation'));
    expect((await host.run(claim({ run: 'r2', generation: '3' }))).code).toBe(FENCED);
    expect((await host.run(claim({ generation: '3' }))).code).toBe(0);
    expect(await host.read('record/generation')).toBe('3\n');
    expect(await host.journal()).toHaveLength(2);
  });
});

describe('lease take of a host that was given back since it was examined', () => {
  const late = claim({ generation: '8', run: 'r2', seen: '7' });

  it('is refused, and leaves nothing there', async () => {
    const refused = await host.run(late);
    expect(refused).toMatchObject({ code: FENCED, lines: ['refused\t0\tit was given back after it had generation 7'] });
    expect(await readdir(host.root)).toEqual(['bin']);
  });

  it('is refused where somebody else has claimed it in between', async () => {
    await host.run(claim());
    expect((await host.run(late)).code).toBe(FENCED);
    expect(await host.read('record/lease')).toContain('run\tr1\n');
  });

  it('is no hindrance to whom it was not given back from', async () => {
    await host.run(claim({ generation: '7' }));
    expect((await host.run(late)).code).toBe(0);
  });
});

describe('lease confirm', () => {
  const confirm = (change: Parameters<typeof token>[0] = {}) => host.run([...token(change), 'lease', 'confirm']);

  it('is given to the newest attempt of the newest operation, and is in no journal', async () => {
    await host.run(claim());
    const before = await host.journal();
    expect(await confirm({ attempt: 2 })).toMatchObject({ code: 0, lines: [] });
    expect(await host.journal()).toEqual(before);
  });

  it('shuts out what is older, and notes who was refused and why', async () => {
    await host.run(claim({ generation: '2' }));
    await confirm({ generation: 2, attempt: 2 });
    expect((await confirm({ generation: 2, attempt: 1 })).code).toBe(FENCED);
    expect((await confirm({ generation: 1, attempt: 3 })).code).toBe(FENCED);
    await host.run([...token({ generation: 2, step: 'releaseLease' }), 'lease', 'release']);
    expect((await confirm({ generation: 2, attempt: 3 })).code).toBe(FENCED);
    const { lines } = await host.run(['refusals']);
    expect(lines.map((line) => line.split('\t').slice(1))).toEqual([
      ['2', 's', '1', 'attempt 1 of step s came after attempt 2'],
      ['1', 's', '3', 'generation 1 is not the newest'],
      ['2', 's', '3', 'the lease was released: that operation has ended'],
    ]);
  });

  it('is refused to a run that was made of the holder by a reset', async () => {
    await host.run(claim());
    const as = (run: string) => host.run([...token(), '--run', run, 'lease', 'confirm']);
    expect((await as('r1')).code).toBe(0);
    expect(await as('r2')).toMatchObject({
      code: FENCED,
      lines: ['refused\t1\trun r2 does not hold the lease, run r1 does'],
    });
    expect((await host.run([...token(), '--run', 'r2', 'lease', 'release'])).code).toBe(FENCED);
  });

  it('keeps the list of refusals short', async () => {
    await host.run(claim());
    await writeFile(join(host.root, 'record/refusals'), `${'x'.repeat(99)}\n`.repeat(700));
    await confirm({ generation: 9 });
    const { lines } = await host.run(['refusals']);
    expect(lines).toHaveLength(200);
    expect(lines.at(-1)).toContain('generation 9 is not the newest');
  });
});

describe('lease release', () => {
  it('of a run by name is refused where another one holds the host by now', async () => {
    await host.run(claim());
    const release = (run: string) => host.run(['--by-hand', 'anna', 'lease', 'release', run]);
    expect(await release('r0')).toMatchObject({ code: 17, lines: ['refused\trun r1 holds the lease by now'] });
    expect((await release('r1')).code).toBe(0);
  });

  it('by an older attempt is refused, also after the newer one has released it', async () => {
    await host.run(claim());
    const release = (attempt: number) => host.run([...token({ attempt }), 'lease', 'release']);
    expect((await release(2)).code).toBe(0);
    expect((await release(1)).code).toBe(FENCED);
    expect((await release(2)).code).toBe(0);
  });

  it('frees the host for any next operation, and keeps the generation', async () => {
    await host.run(claim());
    expect((await host.act(['lease', 'release'])).code).toBe(0);
    expect((await host.act(['lease', 'release'])).code).toBe(0);
    expect((await host.run(claim({ server: 'n2', run: 'r2', generation: '1' }))).code).toBe(FENCED);
    expect((await host.run(claim({ server: 'n2', run: 'r2', generation: '2' }))).code).toBe(0);
    expect((await host.journal()).filter((line) => line[4] === 'lease.released')).toHaveLength(1);
  });

  it('by an older generation is refused', async () => {
    await host.run(claim());
    await host.run(claim({ run: 'r2', generation: '2' }));
    expect((await host.act(['lease', 'release'])).code).toBe(FENCED);
  });
});

describe('a token', () => {
  const ensure = (change: Parameters<typeof token>[0], name: string) =>
    host.run([...token(change), 'ensure'], `folder 700 ${name}\nend\n`);

  beforeEach(async () => {
    await host.run(claim({ generation: '5' }));
  });

  it('of another generation than the current one is refused before any effect', async () => {
    for (const generation of [4, 6]) {
      const refused = await ensure({ generation }, 'late');
      expect(refused).toMatchObject({
        code: FENCED,
        lines: [`refused\t5\tgeneration ${generation} is not the newest`],
      });
    }
    expect((await host.journal()).map((line) => line[4])).not.toContain('folder.created');
  });

  it('of an older attempt is refused once a newer one was seen, for that step alone', async () => {
    expect((await ensure({ generation: 5, step: 'place/h1:7001', attempt: 2 }, 'a')).code).toBe(0);
    expect((await ensure({ generation: 5, step: 'place/h1:7001', attempt: 1 }, 'b')).code).toBe(FENCED);
    expect((await ensure({ generation: 5, step: 'place/h1:7001', attempt: 2 }, 'c')).code).toBe(0);
    expect((await ensure({ generation: 5, step: 'place/h1:7002', attempt: 1 }, 'd')).code).toBe(0);
  });

  it('counts attempts anew in a new generation', async () => {
    await ensure({ generation: 5, attempt: 9 }, 'a');
    await host.run(claim({ generation: '6', run: 'r2' }));
    expect((await ensure({ generation: 6, attempt: 1 }, 'b')).code).toBe(0);
  });

  it('is worth nothing after the lease was released, or on a host without a record', async () => {
    await host.run([...token({ generation: 5 }), 'lease', 'release']);
    expect((await ensure({ generation: 5 }, 'a')).code).toBe(FENCED);
    await rm(join(host.root, 'record'), { recursive: true });
    expect((await ensure({ generation: 5 }, 'a')).code).toBe(FENCED);
  });

  it('is needed for what changes the host, and has to be well formed', async () => {
    expect((await host.run(['ensure'], 'folder 700 a\nend\n')).code).toBe(2);
    expect((await ensure({ generation: 5, step: '../../etc/x y' }, 'a')).code).toBe(2);
  });
});

describe('every verb that changes the host', () => {
  /** By its first words in the list of verbs: how it is asked. */
  const ASKED: Readonly<Record<string, readonly string[]>> = {
    'lease confirm': ['lease', 'confirm'],
    'lease release': ['lease', 'release'],
    identities: ['identities', `7001=${'a'.repeat(40)}`],
    'identities forget': ['identities', 'forget', `7001=${'a'.repeat(40)}`],
    ensure: ['ensure'],
    profile: ['profile', 'vm.swappiness=1'],
    'node start': ['node', 'start', '7001', '127.0.0.1', '1000', '1000'],
    'node stop': ['node', 'stop', '7001', '1000'],
    'node remove': ['node', 'remove', '7001', 'delete'],
    'host release': ['host', 'release', 'delete'],
    'engine receive': ['engine', 'receive', 'e', 'a'.repeat(64)],
    'engine build': ['engine', 'build', 'e', 'a'.repeat(64), 'bin/redis-server', 'v=7.0'],
    'package repository': [
      'package',
      'repository',
      'apt',
      'v',
      'a'.repeat(64),
      'http://127.0.0.1/deb',
      'stable',
      'main',
    ],
    'package install': ['package', 'install', 'apt', 'redisforge-nothing', '1', '/bin/true', 'v=7.0'],
    'job start': ['job', 'start', 'j', '--', 'true'],
    'job stop': ['job', 'stop', 'j', '1000'],
    'job clean': ['job', 'clean', 'j'],
    sweep: ['sweep', '1'],
  };

  it('refuses the token of an operation before, and of an attempt before, with nothing changed', async () => {
    const { lines } = await host.run(['help']);
    const verbs = lines
      // Only a person may do that; a token is bad usage there.
      .filter((line) => line.startsWith('* ') && !line.includes('the same by hand'))
      .map((line) => /^\* ([a-z]+( [a-z-]+)?)/.exec(line)?.[1] ?? '');
    expect(verbs.length).toBeGreaterThan(14);
    await host.run(claim({ generation: '5' }));
    await host.run([...token({ generation: 5, attempt: 2 }), 'lease', 'confirm']);
    const before = await host.journal();
    for (const verb of verbs) {
      const words = ASKED[verb];
      if (words === undefined) throw new Error(`how is ${verb} asked?`);
      for (const late of [{ generation: 4 }, { generation: 5, attempt: 1 }]) {
        expect({ verb, ...(await host.run([...token(late), ...words], 'end\n')) }).toMatchObject({
          verb,
          code: FENCED,
        });
      }
    }
    expect(await host.journal()).toEqual(before);
  });
});

describe('a person', () => {
  it('may act while no operation holds the host, or by force, and is in the journal', async () => {
    await host.run(claim());
    const byHand = (...words: string[]) => host.run(['--by-hand', 'anna', ...words], 'folder 700 a\nend\n');
    expect((await byHand('ensure')).code).toBe(LOCKED);
    expect((await byHand('--force', 'ensure')).code).toBe(0);
    expect((await host.journal()).at(-1)?.slice(2, 5)).toEqual(['by-hand:anna', '0', 'folder.created']);
    expect((await byHand('lease', 'release')).code).toBe(0);
    expect((await byHand('ensure')).code).toBe(0);
  });

  it('finds every verb explained', async () => {
    const { lines } = await host.run(['help']);
    const dispatched = [...(await host.read('bin/redisforge-host')).matchAll(/^ {4}(\w+):\S+\)/gm)].map(
      ([, verb]) => verb,
    );
    expect(dispatched.length).toBeGreaterThan(15);
    const hidden = ['supervise'];
    for (const verb of dispatched.filter((name) => !hidden.includes(name ?? ''))) {
      expect(lines.join('\n')).toMatch(new RegExp(`\\b${verb}\\b`));
    }
  });
});

describe('the lock', () => {
  it('keeps thirty commands at once apart: each effect is there once', async () => {
    await host.run(claim());
    const names = Array.from({ length: 10 }, (_, n) => `folder-${n}`);
    const all = [...names, ...names, ...names].map((name) => host.act(['ensure'], `folder 700 ${name}\nend\n`));
    expect((await Promise.all(all)).map(({ code }) => code)).toEqual(all.map(() => 0));
    const made = (await host.journal()).filter((line) => line[4] === 'folder.created').map((line) => line[5]);
    expect(made.sort()).toEqual(names);
  });
});

describe('a record that was cut off', () => {
  it('with an empty attempt file still takes the newest attempt', async () => {
    await host.run(claim());
    await host.act(['ensure'], 'end\n');
    await writeFile(join(host.root, 'record/attempts/s'), '');
    expect((await host.act(['ensure'], 'end\n')).code).toBe(0);
  });
});
