import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import pc from 'picocolors';
import { describe, expect, it } from 'vitest';
import { parseAnswer } from '../../activities/hosts/answer.js';
import { hostHelper } from '../../activities/hosts/helper.js';
import { parseLease } from '../../activities/hosts/record.js';
import type { OperationReport } from '../../domain/operation.js';
import { oneLine, visible } from '../../domain/visible.js';
import { holderText } from '../../starters/operations.js';
import { renderPlan } from '../../starters/render/plan.js';
import { renderReport } from '../../starters/render/report.js';
import { renderVerdict } from '../../starters/render/verdict.js';
import { forTerminal } from '../../starters/terminal.js';
import { verdictOf } from '../support/survey.js';
import { hostileText } from './hostile.js';
import { type Check, holds, notices, SEED } from './seeded.js';

const PER_SHELL = 100;
const label = hostileText.map((text) => text.replaceAll('\0', '').slice(0, 500));
const batches = fc.array(label, { minLength: PER_SHELL, maxLength: PER_SHELL });

/** The helper's own functions, without its last lines: a lease is written and read for each word, and the journal said at the end. */
const MAIN = /\nmain "\$@"\n[^]*$/;
const EACH = `
sync() { :; }
record=$1 now=now token_generation=1 token_step=s token_attempt=1 by_hand='' root=$1
shift
printf 'u\\nc\\n' >"$record/cluster"
cluster_uid=u asked=1 uid=u cluster=c server=ns workflow=w run=r operation=apply since=now
for actor; do
  parts=''
  write_lease
  finish_parts >/dev/null
  read_record
  say_lease
done
exec cat "$record/journal"
`;

/** Each word is kept and read back as one field, and notes one line of six fields. */
function isKept(cleaned: (text: string) => string): Check<string[]> {
  return async (labels) => {
    const record = await mkdtemp(join(tmpdir(), 'redisforge-fuzz-'));
    try {
      await mkdir(join(record, 'empty'));
      await writeFile(
        join(record, 'helper'),
        hostHelper().text.replace(MAIN, () => EACH),
      );
      const words = labels.map(cleaned);
      const { stdout } = await promisify(execFile)('sh', [join(record, 'helper'), record, ...words], {
        cwd: join(record, 'empty'),
      });
      const lines = stdout.split('\n').slice(0, -1);
      const kept = lines.slice(0, words.length).map((line) => parseLease(parseAnswer(line))?.actor);
      expect(kept).toEqual(labels.map((text) => visible(oneLine(text).replace(/\p{Cs}/gu, '\ufffd'))));
      expect(lines.slice(words.length).map((line) => line.split('\t').length)).toEqual(words.map(() => 6));
      expect(await readdir(join(record, 'empty'))).toEqual([]);
    } finally {
      await rm(record, { recursive: true });
    }
  };
}

const io = { colors: pc.createColors(true) };
const PAINT = new RegExp(String.raw`\u001b\[(?:[0-9]|[1-4][0-9])m`, 'g');
/** What a terminal would act on, line feeds and tabs apart. */
const ACTED_ON = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** What people are shown has our own colours in it and nothing else that is acted on; a line of JSON says the same as before. */
function isShown(printed: (line: string) => string): Check<string> {
  return (text) => {
    const node = {
      id: text,
      name: text,
      host: text,
      address: text,
      port: 1,
      zone: text,
      version: text,
      masterId: text,
    };
    const numbers = {
      keys: 1,
      usedMemoryBytes: 1,
      maxmemoryBytes: 1,
      lagBytes: 1,
      slots: [],
      role: 'replica',
      answered: true,
    } as const;
    const finding = { code: 'DeadMaster', severity: 'error', node: text, evidence: text, next: text } as const;
    const verdict = verdictOf({ cluster: text, findings: [finding], nodes: [{ ...node, ...numbers }] });
    const plan = {
      cluster: text,
      uid: text,
      operation: 'apply',
      steps: [],
      drift: [],
      notes: [text],
      digest: text,
    } as const;
    const lines = [
      ...renderVerdict(verdict, io),
      ...renderPlan({ ...plan, refusals: [{ what: text, next: text }] }, io),
      ...renderReport(reportOf(text), io),
      holderText({ operation: text, actor: text, reason: text, since: text, runId: text, paused: true }),
    ];
    for (const line of lines) expect(printed(line).replaceAll(PAINT, '')).not.toMatch(ACTED_ON);
    const json = printed(JSON.stringify(verdict));
    expect(json).not.toMatch(ACTED_ON);
    expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(verdict)));
  };
}

function reportOf(text: string): OperationReport {
  return {
    ...{
      operation: 'apply',
      cluster: text,
      workflowId: text,
      runId: text,
      outcome: 'failed',
      changed: true,
      actor: text,
      reason: text,
    },
    ...{
      startedAt: '2026-11-21T10:00:00Z',
      endedAt: '2026-11-21T10:00:01Z',
      generation: 1,
      plan: null,
      verdictBefore: null,
      verdictAfter: null,
    },
    steps: [{ id: text, title: text, state: 'failed', effects: [text] }],
    failure: { type: 'Refused', text: { what: text, left: text, next: text } },
  };
}

describe(`names, reasons and other words of people (seed ${SEED})`, () => {
  it('are one field of one line in the record and the journal of a host', () =>
    holds(batches, isKept(oneLine), { inputs: PER_SHELL }));
  it('would be noticed there if they were kept as they are', () =>
    notices(
      batches,
      isKept((text) => text),
      { inputs: PER_SHELL },
    ));

  it('are shown without anything that a terminal acts on', () => holds(hostileText, isShown(forTerminal)));
  it.each<[string, (line: string) => string]>([
    ['as they are', (line) => line],
    ['without the sequences that Node knows of', (line) => line.replaceAll(/\u001b\[[0-9;]*[A-Za-z]/g, '')],
    ['as they are where they are JSON', (line) => (line.startsWith('{') ? line : forTerminal(line))],
  ])('would be noticed if they were shown %s', (_, printed) => notices(hostileText, isShown(printed)));
});
