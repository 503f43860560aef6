import { ForgeError } from '../../domain/errors.js';
import { fetchEngines } from '../../lab/engines.js';

/** vitest's global setup: the engines of the lab are there before the first test, whichever that is. One that cannot be had is said, and fails the tests that need it. */
export default async function setup(): Promise<void> {
  try {
    for (const one of await fetchEngines()) if (one.engine === null) console.error(`${one.name}: ${one.problem}`);
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    console.error(error.message);
  }
}
