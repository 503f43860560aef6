import type { LoadedSpec } from '../config/load.js';
import { ForgeError } from '../domain/errors.js';
import type { OperationReport } from '../domain/operation.js';
import type { CliIo } from './io.js';
import { renderDiff, specDiff, type SpecFile, writeSpecFile } from './spec-file.js';

/** What an operation does with the spec's file; apart from it, since it goes on whatever becomes of the file. */
export interface FileWish {
  readonly io: CliIo;
  readonly options: { readonly writeSpec?: true };
  readonly file?: SpecFile;
}

export function writes<Wish extends FileWish>(wish: Wish): wish is Wish & { file: SpecFile } {
  return wish.options.writeSpec === true && wish.file !== undefined;
}

/** The change as it is shown before anybody is asked. */
export function shownDiff({ io, file }: FileWish): string[] {
  if (file === undefined) return [];
  const diff = renderDiff(specDiff(file.before, file.working), io);
  return diff.length === 0 || !file.leaves
    ? diff
    : [...diff, '  Nodes that leave are taken out of the file when they have left.'];
}

/** The operation runs by now, with this spec; a file that cannot be written does not stop it. */
export async function writeWorking(wish: FileWish): Promise<void> {
  if (!writes(wish) || wish.file.before.text === wish.file.working.text) return;
  await write(wish.io, wish.file.before, wish.file.working);
}

/** Writes or says what the file has to become, now that the operation has ended; the difference from what it was, for scripts. */
export async function endOfFile(wish: FileWish, { outcome, cluster }: OperationReport): Promise<string> {
  const { io, file } = wish;
  if (file === undefined) return '';
  if (outcome === 'refused') return putBack(wish, file);
  if (outcome !== 'done') return whatIsLeft(wish, file);
  const after = afterOf(io, file);
  const diff = after === null ? '' : specDiff(file.before, after);
  if (after === null || diff === '') return '';
  if (writes(wish)) {
    if (file.working.text !== after.text) await write(io, file.working, after);
    return diff;
  }
  io.err(
    `${file.before.path} was left as it is. For cluster ${cluster} as it is now it has to say (--write-spec writes it):`,
  );
  for (const line of renderDiff(diff, io)) io.err(line);
  return diff;
}

/** Nothing of it was begun. */
async function putBack(wish: FileWish, { before, working }: SpecFile): Promise<string> {
  if (writes(wish) && before.text !== working.text) await write(wish.io, working, before);
  return specDiff(before, working);
}

function whatIsLeft(wish: FileWish, { before, working }: SpecFile): string {
  const diff = specDiff(before, working);
  if (diff === '') return '';
  wish.io.err(
    writes(wish)
      ? `${before.path} says what is to be reached: apply goes on from here.`
      : `${before.path} was left as it is: the same command goes on from here.`,
  );
  return diff;
}

/** What is left to do with the file when nobody follows the operation to its end. */
export function fileWhenDetached(wish: FileWish): string[] {
  const { io, file } = wish;
  if (file === undefined) return [];
  const { path } = file.before;
  if (writes(wish)) {
    if (!file.leaves) return [];
    return [
      `When it is done, \`redisforge apply -f ${path} --write-spec\` takes the nodes that have left out of the file.`,
    ];
  }
  const after = afterOf(io, file);
  const diff = after === null ? [] : renderDiff(specDiff(file.before, after), io);
  if (diff.length === 0) return [];
  return [`${path} was left as it is. When the operation is done it has to say:`, ...diff];
}

function afterOf(io: CliIo, file: SpecFile): LoadedSpec | null {
  try {
    return file.after();
  } catch (error) {
    sayRefusal(io, error);
    return null;
  }
}

async function write(io: CliIo, from: LoadedSpec, to: LoadedSpec): Promise<void> {
  try {
    await writeSpecFile(from, to);
    io.err(`wrote ${from.path}`);
  } catch (error) {
    sayRefusal(io, error);
    for (const line of renderDiff(specDiff(from, to), io)) io.err(line);
  }
}

/** The operation is not less done for it. */
function sayRefusal(io: CliIo, error: unknown): void {
  if (!(error instanceof ForgeError)) throw error;
  io.err(`${io.colors.yellow(error.text.what)} ${error.text.left}`);
  io.err(`  next: ${error.text.next}`);
}
