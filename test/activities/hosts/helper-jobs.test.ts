import { readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../support/until.js';
import { claim, helperHost, type HelperHost, token } from './run-helper.js';

let host: HelperHost;

beforeEach(async () => {
  host = await helperHost();
  await host.run(claim());
});
afterEach(() => host.remove());

const SLEEP = ['sleep', '300'];
/** A job that has begun another process and does not heed SIGTERM itself. */
const DEAF = ['sh', '-c', 'trap "" TERM; sleep 300 & echo $!; while :; do sleep 0.05; done'];

const take = (generation: number) =>
  host.run(claim({ generation: `${generation}`, run: `r${generation}`, workflow: 'w' }));
const start = (name: string, command: readonly string[], generation = 1) =>
  host.run([...token({ generation }), 'job', 'start', name, '--', ...command]);

async function status(name: string) {
  const [first = '', ...output] = (await host.run(['job', 'status', name])).lines;
  const [, , state, pid, , , generation, run] = first.split('\t');
  return { state, pid: Number(pid), generation, run, output: output.map((line) => line.split('\t')[1]) };
}

async function effects(): Promise<string[]> {
  return (await host.journal()).map(([, generation, , , effect, detail]) => `${generation} ${effect} ${detail}`);
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a job of an operation', () => {
  it('is of the generation and the run that started it', async () => {
    await start('work', SLEEP);
    expect(await status('work')).toMatchObject({ state: 'running', generation: '1', run: 'r1' });
    await take(2);
  });

  it('ends when a newer operation takes the host, which the journal says', async () => {
    await start('work', SLEEP);
    const { pid } = await status('work');
    expect((await take(2)).lines).toContain(`effect\tjob.ended\twork pid ${pid} of generation 1`);
    expect(lives(pid)).toBe(false);
    expect((await status('work')).state).toBe('stopped');
    expect(await effects()).toContain(`2 job.ended work pid ${pid} of generation 1`);
  });

  it('ends with the lease of its operation, and with its host', async () => {
    await start('work', SLEEP);
    const { pid } = await status('work');
    await host.act(['lease', 'release']);
    expect(lives(pid)).toBe(false);
    await take(2);
    await start('again', SLEEP, 2);
    const again = await status('again');
    expect((await host.run([...token({ generation: 2 }), 'host', 'release', 'keep'])).code).toBe(0);
    expect(lives(again.pid)).toBe(false);
  });

  it('that does not heed is killed with all that it started', async () => {
    await start('deaf', DEAF);
    const child = await until('its child runs', async () => {
      const { output } = await status('deaf');
      return output[0] !== undefined && Number(output[0]);
    });
    const { pid } = await status('deaf');
    expect((await take(2)).code).toBe(0);
    await until('both are gone', () => !lives(pid) && !lives(child));
    expect(await effects()).toContain(`2 job.killed deaf pid ${pid}`);
  });

  it('of the same name belongs to the newer operation, which does not take the end of the older one for its own', async () => {
    const note = ['sh', '-c', 'echo run >>"$1"', 'sh', join(host.root, 'note')];
    await start('work', note);
    await until('it has ended', async () => (await status('work')).state === 'exited');
    await take(2);
    await start('work', note, 2);
    await until('it has run again', async () => (await status('work')).state === 'exited');
    await start('work', note, 2);
    expect(await readFile(join(host.root, 'note'), 'utf8')).toBe('run\nrun\n');
    expect(await status('work')).toMatchObject({ generation: '2', run: 'r2' });
  });

  it('is left alone by its own operation asking again for the lease', async () => {
    await start('work', SLEEP);
    const { pid } = await status('work');
    await take(1);
    expect(lives(pid)).toBe(true);
    await host.act(['lease', 'release']);
  });
});

describe('a job of a person', () => {
  it('is left to the person', async () => {
    await host.run(['--by-hand', 'anna', '--force', 'job', 'start', 'hers', '--', ...SLEEP]);
    const { pid, run } = await status('hers');
    expect(run).toBe('by-hand:anna');
    await take(2);
    await host.run([...token({ generation: 2 }), 'lease', 'release']);
    expect(lives(pid)).toBe(true);
    expect((await host.run(['--by-hand', 'anna', 'job', 'stop', 'hers', '5000'])).code).toBe(0);
  });
});

describe('sweep', () => {
  const sweep = () => host.run(['--by-hand', 'anna', 'sweep', '3600']);

  it('is refused while an operation holds the host', async () => {
    expect((await sweep()).code).toBe(11);
  });

  it('ends and forgets what operations left, and removes what was never finished; a person keeps the job', async () => {
    await host.act(['lease', 'release']);
    await host.run(['--by-hand', 'anna', 'job', 'start', 'hers', '--', ...SLEEP]);
    // As a helper of before left it, which knew of no owner.
    await host.run(['--by-hand', 'anna', 'job', 'start', 'left', '--', ...SLEEP]);
    await rm(join(host.root, 'jobs/left/owner'));
    const old = join(host.root, 'record/lease.new');
    await writeFile(old, 'half');
    await utimes(old, 1, 1);
    await writeFile(join(host.root, 'bin/.incoming.x'), 'just now');
    const { lines } = await host.run(['leftovers']);
    expect(lines.filter((line) => /^(job|unfinished)/.test(line)).map((line) => line.split('\t')[1])).toEqual([
      'hers',
      'left',
      'bin/.incoming.x',
      'record/lease.new',
    ]);
    const { code, lines: swept } = await sweep();
    expect(code).toBe(0);
    expect(swept.map((line) => line.split('\t').slice(1, 3).join(' ').split(' pid')[0])).toEqual([
      'job.ended left',
      'job.cleaned left',
      'unfinished.removed record/lease.new',
    ]);
    expect((await status('hers')).state).toBe('running');
    expect((await status('left')).state).toBe('absent');
    expect((await sweep()).lines).toEqual([]);
    await host.run(['--by-hand', 'anna', 'job', 'stop', 'hers', '5000']);
  });
});
