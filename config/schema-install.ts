import { z } from 'zod';
import { absolutePath, choice, path, section, text } from './schema-words.js';

const sha256 = text(/^[0-9a-f]{64}$/, 'a sha256 in lower-case hex, as `sha256sum` prints it');
const url = text(
  /^https?:\/\/[^\s"'<>\\/@]+(\/[^\s"'<>\\]*)?$/,
  'an address that begins with https:// or http://, without a login (it is seen in plans and in the process list of the host)',
);
const inArchive = text(
  /^(?!\.{0,2}\/)(?!.*\/\.{0,2}\/)(?!.*\/\.{0,2}$)[A-Za-z0-9._+/-]+$/,
  'a path inside of the archive, such as bin/redis-server',
);
const preinstalled = section({
  method: z.literal('preinstalled', { error: 'preinstalled' }).optional(),
  server: absolutePath.exactOptional(),
});

const archive = section({
  method: z.literal('archive', { error: 'archive' }),
  file: path.exactOptional(),
  url: url.exactOptional(),
  via: choice(['worker', 'host']).exactOptional(),
  sha256,
  server: inArchive.exactOptional(),
});

/** How the engine comes to the hosts. Which keys go together is looked at in `complete-install.ts`. */
export const installSchema = z
  .discriminatedUnion('method', [preinstalled, archive], {
    error: 'a mapping with the method preinstalled or archive',
  })
  .prefault({});
