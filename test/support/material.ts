import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

/** A history or another message of Temporal as its export shows it, followed by its payloads in clear. */
export function inClear(json: string): string {
  const payloads: string[] = [];
  JSON.parse(json, (key, value: unknown) => {
    if (key === 'data' && typeof value === 'string') payloads.push(Buffer.from(value, 'base64').toString('utf8'));
    return value;
  });
  return [json, ...payloads].join('\n');
}

/** All that Temporal tells of every run under this ID: the exported history, and what its UI asks the workflow for. */
export async function toldByTemporal(client: Client, workflowId: string): Promise<string[]> {
  const told: string[] = [];
  for await (const { runId } of client.workflow.list({ query: `WorkflowId = "${workflowId}"` })) {
    const handle = client.workflow.getHandle(workflowId, runId);
    told.push(inClear(historyToJSON(await handle.fetchHistory())));
    for (const query of ['progress', '__temporal_workflow_metadata']) {
      told.push(JSON.stringify(await handle.query<unknown>(query)));
    }
  }
  return told;
}

/** A file of a host or a server, byte for byte. */
export interface FoundFile {
  readonly path: string;
  /** `600` */
  readonly mode: string;
  /** As latin1, which keeps every byte: only ASCII can be looked for in it. */
  readonly text: string;
}

/** Every file below a folder, by its path from there. */
export async function filesBelow(folder: string): Promise<FoundFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const file = join(entry.parentPath, entry.name);
        const [text, { mode }] = await Promise.all([readFile(file, 'latin1'), stat(file)]);
        return { path: file.slice(folder.length + 1), mode: (mode & 0o777).toString(8), text };
      }),
  );
}
