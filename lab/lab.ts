import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import type { HostState, LabDriver, LabDriverName, LabHost, LabShape } from './driver.js';
import { holdsForeignFiles, type LabRecord, readRecord, writeRecord } from './record.js';

export interface Lab {
  readonly dir: string;
  /** Which driver made its hosts. */
  readonly driverName: LabDriverName;
  readonly uid: string;
  readonly shape: LabShape;
  readonly hosts: readonly LabHost[];
}

export interface HostStatus extends LabHost {
  readonly state: HostState;
  /** `cut`: something that is sent to it or by it is lost. */
  readonly network: 'whole' | 'cut';
}

export interface LabUpRequest {
  readonly dir: string;
  readonly driver: LabDriver;
  /** What a new lab looks like. A lab that is there already has to look like this, where it is given. */
  readonly shape?: Partial<LabShape>;
}

/** Six hosts in three zones with one node each: three masters with a replica in another zone. */
function completeShape({ hosts = 6, zones = Math.min(3, hosts), nodesPerHost = 1 }: Partial<LabShape>): LabShape {
  return { hosts, zones, nodesPerHost };
}

/** Makes the lab in `dir`, or what an interrupted `up` or a reboot left missing of it. `changed` is false where all hosts ran already. */
export async function labUp({ dir, driver, shape = {} }: LabUpRequest): Promise<Lab & { changed: boolean }> {
  const folder = resolve(dir);
  const there = await existingLab(folder, shape);
  if (there !== null && there.driver !== driver.name) throw otherDriver(folder, there, driver);
  const record = there ?? (await newLab(folder, driver, completeShape(shape)));
  let changed = false;
  for (const host of record.hosts) await driver.prepare(host);
  await Promise.all(
    record.hosts.map(async (host) => {
      if ((await driver.stateOf(host)) === 'running') return;
      changed = true;
      await driver.start(host);
    }),
  );
  return { dir: folder, ...labOf(record), changed };
}

/** What `labUp` would make or find, without making it; refuses what it would refuse. */
export async function shapeOf({ dir, shape = {} }: Pick<LabUpRequest, 'dir' | 'shape'>): Promise<LabShape> {
  const existing = await existingLab(resolve(dir), shape);
  if (existing !== null) return existing.shape;
  const wanted = completeShape(shape);
  refuseImpossible(wanted);
  return wanted;
}

/** The lab in `dir`, or `null` where there is none. */
export async function openLab(dir: string): Promise<Lab | null> {
  const record = await readRecord(resolve(dir));
  return record === null ? null : { dir: resolve(dir), ...labOf(record) };
}

export async function labStatus(lab: Lab, driver: LabDriver): Promise<HostStatus[]> {
  const { faults } = driver;
  return Promise.all(
    lab.hosts.map(async (host) => ({
      ...host,
      state: await driver.stateOf(host),
      network: faults !== null && (await faults.isCut(host)) ? 'cut' : 'whole',
    })),
  );
}

/** Ends all that `drivers` run for the lab in `dir` and removes the folder. Nothing happens where there is none. */
export async function labDown({ dir, drivers }: { dir: string; drivers: readonly LabDriver[] }): Promise<void> {
  const folder = resolve(dir);
  if (await holdsForeignFiles(folder)) {
    throw new ForgeError('Refused', {
      what: `${folder} holds files and no lab.`,
      left: 'Nothing was changed.',
      next: "Give the lab's folder with --dir.",
    });
  }
  for (const driver of drivers) await driver.endAll(folder);
  await rm(folder, { recursive: true, force: true });
}

async function existingLab(dir: string, wanted: Partial<LabShape>): Promise<LabRecord | null> {
  const record = await readRecord(dir);
  if (record === null) return null;
  const asked = { ...record.shape, ...wanted };
  const { hosts, zones, nodesPerHost } = record.shape;
  if (asked.hosts === hosts && asked.zones === zones && asked.nodesPerHost === nodesPerHost) return record;
  throw new ForgeError('Refused', {
    what: `The lab in ${dir} has ${hosts} hosts in ${zones} zones with ${nodesPerHost} node(s) each; ${asked.hosts}, ${asked.zones} and ${asked.nodesPerHost} were asked for.`,
    left: 'The lab is left as it is.',
    next: `Take it away with \`redisforge lab down --dir ${dir}\` first, or give another folder with --dir.`,
  });
}

function otherDriver(dir: string, { driver: made }: LabRecord, { name: asked }: LabDriver): ForgeError {
  return new ForgeError('Refused', {
    what: `The lab in ${dir} has hosts made by the driver ${made}; ${asked} was asked for.`,
    left: 'The lab is left as it is.',
    next: `Take it away with \`redisforge lab down --dir ${dir}\` first, or give another folder with --dir.`,
  });
}

async function newLab(dir: string, driver: LabDriver, shape: LabShape): Promise<LabRecord> {
  refuseImpossible(shape);
  refuseUnquotable(dir);
  if (await holdsForeignFiles(dir)) {
    throw new ForgeError('Refused', {
      what: `${dir} holds files and no lab: a lab needs a folder of its own, which \`lab down\` removes.`,
      left: 'Nothing was changed.',
      next: 'Give a folder that is empty or not there yet with --dir.',
    });
  }
  const hosts = await driver.plan(dir, shape);
  const record: LabRecord = {
    version: 1,
    driver: driver.name,
    uid: randomUUID(),
    shape,
    hosts: hosts.map((host) => ({ ...host, nodePorts: [...host.nodePorts] })),
  };
  await writeRecord(dir, record);
  return record;
}

function refuseImpossible({ hosts, zones, nodesPerHost }: LabShape): void {
  const wrong =
    hosts < 1 || hosts > MOST_HOSTS
      ? `${hosts} hosts; a lab has 1 to ${MOST_HOSTS}`
      : zones < 1 || zones > hosts
        ? `${zones} zones for ${hosts} hosts; there are 1 to as many as hosts`
        : nodesPerHost < 1 || nodesPerHost > MOST_NODES
          ? `${nodesPerHost} nodes per host; a lab host has 1 to ${MOST_NODES}`
          : null;
  if (wrong === null) return;
  throw new ForgeError('BadSpec', {
    what: `A lab cannot have ${wrong}.`,
    left: 'Nothing was changed.',
    next: 'Give other numbers.',
  });
}

/** The folder's path stands in sshd's configuration, which knows no escape for these. */
function refuseUnquotable(dir: string): void {
  if (!/["%\\\n]/.test(dir)) return;
  throw new ForgeError('BadSpec', {
    what: `A lab cannot be in ${dir}: the path holds a quotation mark, a percent sign, a backslash or a line break.`,
    left: 'Nothing was changed.',
    next: 'Give another folder with --dir.',
  });
}

/** Hosts get the last part of a loopback address, 1 to 254. */
const MOST_HOSTS = 254;
const MOST_NODES = 32;

function labOf(record: LabRecord): Omit<Lab, 'dir'> {
  return { driverName: record.driver, uid: record.uid, shape: record.shape, hosts: record.hosts };
}
