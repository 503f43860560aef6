import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import { runProgram } from './programs.js';

/** A Debian package in one version. */
export interface DebianPackage {
  readonly name: string;
  /** As Debian writes it: `5:8.6.3-1`. */
  readonly version: string;
  readonly suite: string;
}

/** Where engines may come from, oldest first. */
const SUITES = ['bookworm', 'bookworm-backports', 'trixie', 'forky', 'experimental'] as const;

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Lists of all suites are some 30 MB. */
const APT_MS = 300_000;

/**
 * A state of apt beside the system's, which is never touched: lists, cache and sources are in `folder`. The mirror is the one that this machine's own
 * apt uses. No root is needed.
 */
export class PrivateApt {
  private constructor(private readonly folder: string) {}

  /** @throws ForgeError Refused where this machine's apt has no Debian mirror, or the mirror does not answer */
  static async open(folder: string): Promise<PrivateApt> {
    const mirror = await ownMirror();
    await mkdir(join(folder, 'lists/partial'), { recursive: true });
    await mkdir(join(folder, 'cache/archives/partial'), { recursive: true });
    const lines = SUITES.map((suite) => `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
    await writeFile(join(folder, 'sources.list'), lines.join(''));
    const apt = new PrivateApt(folder);
    // A suite that the mirror no longer has makes it fail; what the others have is there all the same.
    await apt.run('apt-get', ['-qq', 'update']).catch(() => undefined);
    return apt;
  }

  /** All versions that the suites have, newest first. */
  async versionsOf(names: readonly string[]): Promise<DebianPackage[]> {
    const stdout = await this.run('apt-cache', ['madison', ...names]);
    return stdout.split('\n').flatMap((line) => {
      const [name = '', version = '', source = ''] = line.split('|').map((part) => part.trim());
      const suite = / (\S+)\/main /.exec(`${source} `)?.[1];
      return suite === undefined ? [] : [{ name, version, suite }];
    });
  }

  /** Downloads all of them in one go. @throws ForgeError Refused */
  async download(packages: readonly DebianPackage[]): Promise<void> {
    await mkdir(this.packages, { recursive: true });
    const words = packages.map(({ name, version }) => `${name}=${version}`);
    await this.run('apt-get', ['-qq', 'download', ...new Set(words)], this.packages);
  }

  /** Where the files of downloaded packages are. */
  async filesOf(packages: readonly DebianPackage[]): Promise<string[]> {
    const files = await readdir(this.packages);
    return packages.map(({ name, version }) => {
      const file = files.find((candidate) => candidate.startsWith(`${name}_${version.replaceAll(':', '%3a')}_`));
      if (file === undefined) throw new Error(`${name} ${version} was not downloaded`);
      return join(this.packages, file);
    });
  }

  private get packages(): string {
    return join(this.folder, 'packages');
  }

  private async run(program: string, argv: readonly string[], cwd = this.folder): Promise<string> {
    const options = {
      'Dir::Etc::SourceList': join(this.folder, 'sources.list'),
      'Dir::Etc::SourceParts': '/dev/null',
      'Dir::State::Lists': join(this.folder, 'lists'),
      'Dir::Cache': join(this.folder, 'cache'),
      'APT::Sandbox::User': '',
      'Acquire::Languages': 'none',
      'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
      'Acquire::Retries': '3',
    };
    const words = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    try {
      const { stdout } = await runProgram(program, [...words, ...argv], { cwd, timeout: APT_MS, maxBuffer: 2 ** 24 });
      return stdout;
    } catch (error) {
      throw aptFailed(program, error);
    }
  }
}

/** The address is the machine's own affair: it is read and written nowhere but into the private state. */
async function ownMirror(): Promise<string> {
  const targets = await runProgram('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI)',
    'Created-By: Packages',
  ]).catch(() => null);
  const mirror = targets?.stdout.split('\n').find((uri) => /\/debian\/?$/.test(uri));
  if (mirror !== undefined) return mirror;
  throw new ForgeError('Refused', {
    what: "Engines are taken from Debian's suites, and this machine's apt knows no Debian mirror.",
    left: 'Nothing was fetched.',
    next: 'Fetch them on a Debian machine and copy its folder .tools/engines.',
  });
}

function aptFailed(program: string, error: unknown): ForgeError {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  const said = stderr.trim().split('\n').slice(-3).join(' | ');
  return new ForgeError(
    'Refused',
    {
      what: `${program} could not do its part: ${said}`,
      left: 'Engines that were there before stay.',
      next: 'See whether the Debian mirror of this machine answers (apt-get update), then fetch again.',
    },
    { cause: error },
  );
}
