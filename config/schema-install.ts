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
const word = (right: string) => text(/^[A-Za-z0-9][A-Za-z0-9._+:~^-]*$/, right);

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

const repository = section({
  url,
  suite: text(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, 'a suite, such as bookworm').exactOptional(),
  components: z.array(word('a component, such as main'), { error: 'a list of components' }).exactOptional(),
  key: z.union([path, section({ armored: text(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/, 'an armored public key') })], {
    error: 'the file of a public key on the worker, or {armored: …} with its text',
  }),
  keySha256: sha256,
});

const packaged = section({
  method: z.literal('package', { error: 'package' }),
  manager: choice(['apt', 'dnf']).exactOptional(),
  name: word('a package, such as redis-server').exactOptional(),
  version: word('the exact version as the package manager writes it, such as "5:7.0.15-1~deb12u7" (apt-cache madison)'),
  server: absolutePath.exactOptional(),
  repository: repository.exactOptional(),
});

/** How the engine comes to the hosts. Which keys go together is looked at in `complete-install.ts`. */
export const installSchema = z
  .discriminatedUnion('method', [preinstalled, archive, packaged], {
    error: 'a mapping with the method preinstalled, archive or package',
  })
  .prefault({});
