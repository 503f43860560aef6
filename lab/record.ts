import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { z } from 'zod';
import { ForgeError } from '../domain/errors.js';
import { LAB_DRIVERS } from './driver.js';
import { labPaths } from './folder.js';

const labHost = z.strictObject({
  name: z.string(),
  zone: z.string(),
  address: z.string(),
  sshPort: z.int(),
  user: z.string(),
  identityFile: z.string(),
  home: z.string(),
  root: z.string(),
  nodePorts: z.array(z.int()),
});

const labRecord = z.strictObject({
  version: z.literal(1),
  driver: z.enum(LAB_DRIVERS),
  /** UID of the cluster that the lab's spec declares. */
  uid: z.string(),
  shape: z.strictObject({ hosts: z.int(), zones: z.int(), nodesPerHost: z.int() }),
  hosts: z.array(labHost),
});

/** What is written before anything is made, so that a lab whose making was interrupted is still known. */
export type LabRecord = z.infer<typeof labRecord>;

/** `null` where the folder holds no lab. A lab that was moved is refused: its keys, markers and spec hold the old path. */
export async function readRecord(dir: string): Promise<LabRecord | null> {
  const text = await readFile(labPaths(dir).record, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (text === null) return null;
  const record = labRecord.safeParse(parseJson(text));
  if (!record.success || !record.data.hosts.every(({ home }) => home.startsWith(labPaths(dir).hosts))) {
    throw new ForgeError('Refused', {
      what: `${labPaths(dir).record} is not the record of a lab in this folder.`,
      left: 'Nothing was changed.',
      next: `Take the lab away with \`redisforge lab down --dir ${dir}\`, then start it again.`,
    });
  }
  return record.data;
}

/** Beside, fsync, rename: it is there as a whole or not at all. */
export async function writeRecord(dir: string, record: LabRecord): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o755 });
  const path = labPaths(dir).record;
  const file = await open(`${path}.new`, 'w');
  try {
    await file.writeFile(`${JSON.stringify(record, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

/** Whether the folder may become a lab, or be taken away as one: missing, empty, or with nothing but a lab's own things. */
export async function holdsForeignFiles(dir: string): Promise<boolean> {
  const entries = await readdir(dir).catch((error: unknown): string[] => {
    if (isMissing(error)) return [];
    throw error;
  });
  const record = labPaths('').record;
  return !entries.includes(record) && entries.some((entry) => entry !== `${record}.new`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
