import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabDriver, LabShape } from '../../lab/driver.js';
import { type Lab, labDown, labUp } from '../../lab/lab.js';
import { createProcessDriver } from '../../lab/process-driver.js';

export const labDriver: LabDriver = createProcessDriver({ searchPath: process.env['PATH'] ?? '' });

export interface TestLab extends Lab {
  readonly driver: LabDriver;
  /** Takes everything away: for `afterAll`. */
  down(): Promise<void>;
}

/** A lab in a temporary folder. Whoever starts it takes it away with `down()`. */
export async function startLab(shape: Partial<LabShape> = {}): Promise<TestLab> {
  const parent = await mkdtemp(join(tmpdir(), 'redisforge-lab-'));
  const dir = join(parent, 'lab');
  const down = async () => {
    await labDown({ dir, drivers: [labDriver] });
    await rm(parent, { recursive: true, force: true });
  };
  try {
    const lab = await labUp({ dir, driver: labDriver, shape });
    return { ...lab, driver: labDriver, down };
  } catch (error) {
    await down();
    throw error;
  }
}

/** Runs `body` in a lab that is gone afterwards, however it ends. */
export async function withLab<T>(shape: Partial<LabShape>, body: (lab: TestLab) => Promise<T>): Promise<T> {
  const lab = await startLab(shape);
  try {
    return await body(lab);
  } finally {
    await lab.down();
  }
}
