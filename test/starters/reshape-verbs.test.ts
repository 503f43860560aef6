import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Verb } from '../../starters/io.js';
import { rebalanceVerb } from '../../starters/verbs/rebalance.js';
import { replaceVerb } from '../../starters/verbs/replace.js';
import { reshardVerb } from '../../starters/verbs/reshard.js';
import { scaleVerb } from '../../starters/verbs/scale.js';
import { runVerb } from '../support/run-verb.js';

const EXAMPLE = join(import.meta.dirname, '../../config/examples/three-hosts.yaml');

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redisforge-reshape-'));
  path = join(folder, 'sessions.yaml');
  await copyFile(EXAMPLE, path);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The hosts of the example are nowhere: whoever asked them would answer with exit code 4, and much later. */
const refused = async (verb: Verb, ...argv: string[]) => {
  const { code, out, err } = await runVerb(
    verb,
    folder,
    [...argv, '-f', path, '--write-spec'].filter((word) => word !== '--write-spec' || verb !== reshardVerb),
  );
  expect(out).toBe('');
  expect(await readFile(path, 'utf8')).toBe(await readFile(EXAMPLE, 'utf8'));
  return { code, err };
};

describe('what cannot be asked for is refused with words, before any host is asked', () => {
  it.each([
    ['a port without a bus', ['add', 'one:60000'], 2, 'A port from 1 to 55535'],
    ['a host that is none', ['add', 'nine:6379'], 2, 'nine:6379 is no host of the spec (one, two, three).'],
    ['a port that is none', ['add', 'one:0'], 2, 'one:0 has no port that a node could have.'],
    ['a node that is there', ['add', 'one:6379'], 3, 'Name another port, such as one:6381.'],
    [
      'a master without its replica',
      ['add', 'one:6381', '--as', 'master'],
      3,
      'Name 1 more for their replicas; or add it with --as replica.',
    ],
    ['a new host without a zone', ['add', 'root@10.0.0.9'], 2, 'root@10.0.0.9 is not understood.'],
    [
      'a new host with the name of one that is there',
      ['add', 'root@10.0.0.9,zone=z,name=two'],
      3,
      'The spec has a host two already.',
    ],
    ['--port without a new host', ['add', 'one', '--port', '7000'], 2, '--port is for new hosts'],
    [
      'nodes that bring too many to one host',
      ['add', 'one', 'one', 'one', 'one', 'one', 'one'],
      3,
      'host one has 8 of 12 nodes (6 at the most)',
    ],
    ['a host that the rest cannot do without', ['remove', 'one'], 3, '2 of 6 nodes cannot go'],
    ['a node that is none', ['remove', 'one:7777'], 3, 'The spec declares no node or host one:7777'],
    ['too few masters', ['to', '--masters', '2'], 3, '2 masters are too few'],
    ['no replicas without a reason', ['to', '--masters', '3', '--replicas', '0'], 3, '`shape.withoutReplicas`'],
  ])('scale: %s', async (_what, argv, code, words) => {
    const run = await refused(scaleVerb, 'scale', ...argv);
    expect(run.err).toContain(words);
    expect(run.code).toBe(code);
  });

  it.each([
    ['a host that is none', ['nine', '--with', 'root@10.0.0.9,zone=z'], 3, 'The spec has no host nine'],
    [
      'the same address',
      ['one', '--with', 'root@192.168.10.1,name=new'],
      3,
      'new has the address of one (192.168.10.1)',
    ],
    ['what is no host', ['one', '--with', 'somewhere'], 2, '--with somewhere is not understood.'],
  ])('replace: %s', async (_what, argv, code, words) => {
    const run = await refused(replaceVerb, 'replace', ...argv);
    expect(run.err).toContain(words);
    expect(run.code).toBe(code);
  });

  it.each([
    ['slots without a target', ['--slots', '0-10'], 'There are 1 --slots and 0 --to'],
    ['a target that is none', ['--slots', '0-10', '--to', 'one:7777'], 'one:7777 is no node that the spec declares.'],
    ['a number and names', ['--slots', '0', '--count', '3', '--to', 'one:6379'], '--count goes with one --to'],
    ['a source of named slots', ['--slots', '0', '--from', 'two:6379', '--to', 'one:6379'], '--from goes with --count'],
  ])('reshard: %s', async (_what, argv, words) => {
    const run = await refused(reshardVerb, 'reshard', ...argv);
    expect(run.err).toContain(words);
    expect(run.code).toBe(2);
  });

  it('rebalance: weights of a node that is none', async () => {
    const run = await refused(rebalanceVerb, 'rebalance', '--weights', 'one:6379=2,one:7777=1');
    expect(run.err).toContain('--weights names one:7777, which the spec does not declare.');
    expect(run.code).toBe(2);
  });
});

describe('what is no option at all is bad usage', () => {
  it.each([
    [reshardVerb, ['reshard', '--slots', '7-3', '--to', 'one:6379'], 'Slots are numbers and ranges from 0 to 16383'],
    [rebalanceVerb, ['rebalance', '--weights', 'one=2'], 'Nodes and their weights are wanted'],
    [rebalanceVerb, ['rebalance', '--threshold', '200'], 'A number from 0 to 100 is wanted.'],
    [rebalanceVerb, ['rebalance', '--by', 'feeling'], 'Allowed choices are slots, memory.'],
    [scaleVerb, ['scale', 'add', 'one', '--as', 'witness'], 'Allowed choices are master, replica.'],
  ])('%#', async (verb, argv, words) => {
    await expect(runVerb(verb, folder, [...argv, '-f', path])).rejects.toThrow(words);
  });
});
