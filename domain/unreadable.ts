import { visible } from './visible.js';

/** An answer that does not follow its format: another program, another protocol, or a version that we do not know. */
export class UnreadableAnswer extends Error {
  override readonly name = 'UnreadableAnswer';

  constructor(command: string, seen: string) {
    super(`the answer to ${command} cannot be read: ${visible(JSON.stringify(seen.slice(0, 120)))}`);
  }
}
