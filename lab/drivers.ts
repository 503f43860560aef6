import { createContainerDriver } from './container-driver.js';
import type { LabDriver, LabDriverName } from './driver.js';
import { createProcessDriver } from './process-driver.js';

/** A driver by its name. `searchPath` is the PATH on which it finds its programs. */
export function labDriver(name: LabDriverName, searchPath: string): LabDriver {
  switch (name) {
    case 'process':
      return createProcessDriver({ searchPath });
    case 'container':
      return createContainerDriver({ searchPath });
    default:
      return name satisfies never;
  }
}
