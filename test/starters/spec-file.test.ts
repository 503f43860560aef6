import { chmod, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadSpec } from '../../config/load.js';
import type { OperationReport, Outcome } from '../../domain/operation.js';
import { removeNodes } from '../../domain/scaling.js';
import type { CliIo } from '../../starters/io.js';
import { endOfFile, fileWhenDetached, shownDiff, writeWorking } from '../../starters/operation-file.js';
import { type SpecFile, specFile, writeSpecFile } from '../../starters/spec-file.js';
import { failureOf } from '../support/failure.js';

const EXAMPLE = join(import.meta.dirname, '../../config/examples/three-hosts.yaml');

let folder: string;
let path: string;
let text: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redisforge-file-'));
  path = join(folder, 'sessions.yaml');
  // Two replicas of each master, of which the second is to go from one host after the other.
  text = (await readFile(EXAMPLE, 'utf8'))
    .replace('replicasPerMaster: 1', 'replicasPerMaster: 2')
    .replaceAll('[6379, 6380]', '[6379, 6380, 6381]');
  await writeFile(path, text);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function fileOf(): Promise<SpecFile> {
  const loaded = await loadSpec({ path });
  const names = ['one:6381', 'two:6381', 'three:6381'];
  const asked = removeNodes({ spec: loaded.spec, names, leaving: 'drain', as: null });
  if ('problem' in asked) throw new Error(asked.problem);
  return specFile(loaded, asked.edits, {});
}

function terminal(): { io: CliIo; said: () => string } {
  const err: string[] = [];
  const io: CliIo = {
    ...{ env: {}, cwd: folder, colors: pc.createColors(false), interactive: false, redraw: false },
    ...{
      out: () => undefined,
      err: (line) => err.push(line),
      erase: () => undefined,
      ask: () => Promise.resolve(false),
    },
  };
  return { io, said: () => err.join('\n') };
}

function ended(outcome: Outcome): OperationReport {
  return {
    ...{ operation: 'scale', cluster: 'sessions', workflowId: 'w', runId: 'r', outcome, changed: true, actor: 'a' },
    ...{ reason: '', startedAt: '', endedAt: '', generation: 1, plan: null, steps: [] },
    ...{ verdictBefore: null, verdictAfter: null },
  };
}

const now = () => readFile(path, 'utf8');
const marked = /leaving: drain/;

describe("the spec's file on its way through an operation", () => {
  it('has the marks of what leaves from its beginning, and nothing of it at its end', async () => {
    const [file, { io, said }] = [await fileOf(), terminal()];
    const wish = { io, file, options: { writeSpec: true } as const };
    expect(shownDiff(wish).join('\n')).toMatch(
      /-  replicasPerMaster: 2\n {2}\+  replicasPerMaster: 1[^]*leaving: drain[^]*when they have left/,
    );
    await writeWorking(wish);
    expect(await now()).toMatch(marked);
    const diff = await endOfFile(wish, ended('done'));
    expect(await now()).toBe(text.replace('replicasPerMaster: 2', 'replicasPerMaster: 1').replaceAll(', 6381', ''));
    expect(diff).toContain('-    nodes: [6379, 6380, 6381]\n+    nodes: [6379, 6380]');
    expect(said()).toBe(`wrote ${path}\nwrote ${path}`);
  });

  it('is left as it is without --write-spec, and it is said what it has to say', async () => {
    const [file, { io, said }] = [await fileOf(), terminal()];
    const wish = { io, file, options: {} };
    await writeWorking(wish);
    await endOfFile(wish, ended('done'));
    expect(await now()).toBe(text);
    expect(said()).toContain('was left as it is. For cluster sessions as it is now it has to say');
    expect(said()).toContain('  +    nodes: [6379, 6380]');
  });

  it('keeps its marks where the operation was not done, so that apply goes on', async () => {
    const [file, { io, said }] = [await fileOf(), terminal()];
    const wish = { io, file, options: { writeSpec: true } as const };
    await writeWorking(wish);
    expect(await endOfFile(wish, ended('cancelled'))).toMatch(marked);
    expect(await now()).toMatch(marked);
    expect(said()).toContain('apply goes on from here');
    const again = specFile(await loadSpec({ path }), [], {});
    await endOfFile({ io, file: again, options: { writeSpec: true } }, ended('done'));
    expect(await now()).not.toMatch(/leaving|6381/);
  });

  it('is what it was where the operation was refused', async () => {
    const [file, { io }] = [await fileOf(), terminal()];
    const wish = { io, file, options: { writeSpec: true } as const };
    await writeWorking(wish);
    expect(await endOfFile(wish, ended('refused'))).toMatch(marked);
    expect(await now()).toBe(text);
  });

  it('is not written over what somebody else wrote meanwhile, and the operation is not less done for it', async () => {
    const [file, { io, said }] = [await fileOf(), terminal()];
    const wish = { io, file, options: { writeSpec: true } as const };
    await writeWorking(wish);
    await writeFile(path, `${await now()}# mine\n`);
    const mine = await now();
    await endOfFile(wish, ended('done'));
    expect(await now()).toBe(mine);
    expect(said()).toContain(`${path} was changed since it was read.`);
    expect(said()).toContain('+    nodes: [6379, 6380]');
  });

  it('says to whoever leaves what is left to do', async () => {
    const [file, { io }] = [await fileOf(), terminal()];
    expect(fileWhenDetached({ io, file, options: { writeSpec: true } }).join('\n')).toContain(
      `apply -f ${path} --write-spec`,
    );
    expect(fileWhenDetached({ io, file, options: {} }).join('\n')).toContain('+    nodes: [6379, 6380]');
  });

  it('keeps its rights and its links, and nothing lies beside it', async () => {
    await chmod(path, 0o640);
    const link = join(folder, 'link.yaml');
    await symlink('sessions.yaml', link);
    const loaded = await loadSpec({ path: link });
    const file = specFile(
      loaded,
      [{ kind: 'balance', balance: { by: 'slots', thresholdPercent: 3, weights: {} } }],
      {},
    );
    await writeSpecFile(file.before, file.working);
    expect(await now()).toContain('threshold: 3');
    expect([(await stat(path)).mode & 0o777, await readlink(link)]).toEqual([0o640, 'sessions.yaml']);
    expect((await readdir(folder)).sort()).toEqual(['link.yaml', 'sessions.yaml']);
  });

  it('is refused where it was changed since it was read', async () => {
    const file = await fileOf();
    await writeFile(path, `${text}\n`);
    expect((await failureOf(writeSpecFile(file.before, file.working))).type).toBe('Refused');
  });
});
