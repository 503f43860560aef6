import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { expect } from 'vitest';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = new URL('../replay/histories/', import.meta.url);

/** One recorded run: `workflowType.what-it-was.json`. */
export interface RecordedHistory {
  readonly file: string;
  readonly workflowType: string;
  readonly history: unknown;
}

/**
 * With RECORD_HISTORIES=1 the history of the run is kept under the name of the test. A recorded file is never written over: what ran once has to
 * replay for as long as such runs may be open.
 */
export async function keepHistory(handle: WorkflowHandle, workflowType: string): Promise<void> {
  if (process.env.RECORD_HISTORIES !== '1') return;
  const file = new URL(`${workflowType}.${nameOfTest()}.json`, FOLDER);
  await mkdir(FOLDER, { recursive: true });
  if (existsSync(file)) return;
  const indented = historyToJSON(await handle.fetchHistory());
  // Stack traces name the folder of the machine that recorded them.
  await writeFile(file, `${JSON.stringify(JSON.parse(indented)).replaceAll(PROJECT, '')}\n`);
}

/** The first words of the test's own name. */
function nameOfTest(): string {
  const name = expect.getState().currentTestName?.split(' > ').at(-1) ?? 'run';
  return name
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .slice(0, 8)
    .join('-');
}

export async function recordedHistories(): Promise<RecordedHistory[]> {
  const files = (await readdir(FOLDER)).filter((file) => file.endsWith('.json')).sort();
  return Promise.all(
    files.map(async (file) => ({
      file,
      workflowType: file.slice(0, file.indexOf('.')),
      history: JSON.parse(await readFile(new URL(file, FOLDER), 'utf8')) as unknown,
    })),
  );
}
