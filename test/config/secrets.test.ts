import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSecretResolver, makeSecretFile, resolveSecrets, Secret } from '../../config/secrets.js';
import { ForgeError } from '../../domain/errors.js';
import { execRef, parseSecretRef, programOf } from '../../domain/secret-ref.js';
import { specOf } from '../support/spec.js';
import { until } from '../support/until.js';

const GOOD = 'q8Jd2Lx0vT5nRzWc';

async function failureOf(work: Promise<unknown>): Promise<ForgeError> {
  const failure = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failure instanceof ForgeError) return failure;
  throw new Error('it was not refused');
}

/** A process that has ended and is not collected yet counts as gone. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

describe('a secret', () => {
  it('shows itself only to who asks for it', () => {
    const secret = new Secret('canary');
    const shown = [
      String(secret),
      `${secret.toString()}`,
      JSON.stringify({ secret }),
      inspect({ secret }, { showHidden: true, depth: 9 }),
    ];
    expect(shown.join('\n')).not.toContain('canary');
    expect(secret.reveal()).toBe('canary');
  });
});

describe('a reference', () => {
  it.each([
    ['env:NAME', 'env:NAME'],
    ['file:/a b', 'file:/a b'],
    ['exec:/usr/bin/pass', 'exec:["/usr/bin/pass"]'],
    ['exec:/opt/a program', 'exec:["/opt/a program"]'],
    ['exec:["/usr/bin/pass", "show"]', 'exec:["/usr/bin/pass","show"]'],
  ])('%s is read as %s', (word, ref) => {
    expect(parseSecretRef(word)).toBe(ref);
    expect(parseSecretRef(ref)).toBe(ref);
  });

  it.each([
    '',
    'x',
    'env:',
    'env:A-B',
    'file:',
    'exec:',
    'exec:pass',
    'exec:/',
    'exec:/bin/',
    'exec:[]',
    'exec:["pass"]',
    'exec:["/a",1]',
    'exec:["/a"',
    'exec:["/a\\u0000"]',
  ])('%j is none', (word) => {
    expect(parseSecretRef(word)).toBeNull();
  });

  it('keeps every argument as it is', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }).filter((arg) => !arg.includes('\0'))), (args) => {
        const ref = execRef(['/bin/x', ...args]);
        expect(programOf(ref)).toEqual({ program: '/bin/x', args });
        expect(parseSecretRef(ref)).toBe(ref);
      }),
    );
    const odd = execRef(['/bin/x', '\u2028', '']);
    expect(parseSecretRef(odd)).toBe(odd);
    expect(programOf('env:X')).toBeNull();
  });
});

describe('the resolver', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'redisforge-secrets-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const resolver = (env: NodeJS.ProcessEnv = {}) => createSecretResolver({ env, machine: 'worker-7' });

  it('reads files to their last byte, without the newlines at the end', async () => {
    const path = join(folder, 'good');
    await writeFile(path, `\u{feff}a b"c\\d\nü${GOOD}\r\n\n`);
    expect((await resolver()(`file:${path}`)).reveal()).toBe(`\u{feff}a b"c\\d\nü${GOOD}\r`);
  });

  it('reads the environment', async () => {
    expect((await resolver({ S: GOOD })('env:S')).reveal()).toBe(GOOD);
  });

  it.each([
    ['a file that is not there', 'file:/nonexistent/secret', 'cannot be read (ENOENT)'],
    ['a folder', 'file:/', 'cannot be read (EISDIR)'],
    ['a variable that is not set', 'env:NONE', 'is not set'],
  ] as const)('refuses %s, naming the machine and the reference', async (_what, ref, reason) => {
    const failure = await failureOf(resolver()(ref));
    expect(failure.type).toBe('SecretUnavailable');
    expect(failure.text.what).toBe(`On worker-7, the secret ${ref} ${reason}.`);
  });

  it('refuses what is not text', async () => {
    const path = join(folder, 'binary');
    await writeFile(path, Buffer.from([0xff, 0xfe, 0x00, 0x80]));
    expect((await failureOf(resolver()(`file:${path}`))).text.what).toContain('is not UTF-8 text');
  });

  it('refuses a variable that was no text before it came here', async () => {
    const failure = await failureOf(resolver({ S: `${GOOD}\ufffd` })('env:S'));
    expect(failure.text.what).toContain('is not UTF-8 text');
  });

  describe('of a program', () => {
    const script = (text: string, ...args: string[]) => execRef(['/bin/sh', '-c', text, 'sh', ...args]);
    const impatient = (env: NodeJS.ProcessEnv = {}) =>
      createSecretResolver({ env, machine: 'worker-7', programDeadlineMs: 500 });

    it('takes what it prints, without the newlines at the end; arguments reach it as they are, through no shell', async () => {
      const hostile = '$(id) `id` "; \'*\n';
      const ref = execRef(['/usr/bin/printf', '%s\n\n', `${GOOD}${hostile}x`]);
      expect((await resolver()(ref)).reveal()).toBe(`${GOOD}${hostile}x`);
    });

    it('gives it the environment of this process, and no input', async () => {
      expect((await resolver({ S: GOOD })(script('cat; printf %s "$S"'))).reveal()).toBe(GOOD);
    });

    it('asks it anew each time, and once for all who ask at the same moment', async () => {
      const log = join(folder, 'asked');
      const ref = script('echo asked >>"$1"; sleep 0.2; echo "$2"', log, GOOD);
      const resolve = resolver({ PATH: '/usr/bin:/bin' });
      const all = await Promise.all(Array.from({ length: 20 }, () => resolve(ref)));
      expect(new Set(all.map((secret) => secret.reveal()))).toEqual(new Set([GOOD]));
      await resolve(ref);
      expect((await readFile(log, 'utf8')).match(/asked/g)).toHaveLength(2);
    });

    it.each([
      ['is not there', execRef(['/nonexistent/program', GOOD.slice(0, 4)]), 'cannot be run (ENOENT)'],
      ['may not be run', execRef(['/etc/passwd']), 'cannot be run (EACCES)'],
      ['fails', script(`echo ${GOOD}; echo ${GOOD} >&2; exit 3`), 'ends with exit code 3'],
      ['is killed', script(`echo ${GOOD}; kill -TERM $$`), 'was ended by SIGTERM'],
      ['hangs', script(`echo ${GOOD}; exec sleep 60`), 'does not end within 0.5 s'],
      ['leaves something behind that holds its output', script('sleep 60 & exit 0'), 'does not end within 0.5 s'],
      ['prints for ever', script('yes'), 'prints more than 64 KiB'],
      ['prints a NUL', script(`printf '${GOOD}\\0${GOOD}'`), 'prints a NUL byte'],
      ['prints no text', script("printf '\\377\\376'"), 'is not UTF-8 text'],
      ['prints nothing', script(':'), 'is empty'],
      ['prints a weak one', script('echo changeme'), 'looks like a placeholder'],
    ] as const)(
      'refuses one that %s, naming machine and reference, and shows nothing that it printed',
      async (_what, ref, reason) => {
        const failure = await failureOf(impatient({ PATH: '/usr/bin:/bin' })(ref));
        expect(failure.type).toBe('SecretUnavailable');
        expect(failure.text.what).toBe(`On worker-7, the secret ${ref} ${reason}.`);
        expect(failure.message.replace(ref, '')).not.toContain(GOOD);
      },
    );

    it('ends what hangs with all that it started', async () => {
      const pids = join(folder, 'pids');
      const ref = script('sleep 60 & echo $! >"$1"; echo $$ >>"$1"; wait', pids);
      await failureOf(impatient({ PATH: '/usr/bin:/bin' })(ref));
      const started = (await readFile(pids, 'utf8')).trim().split('\n').map(Number);
      expect(started).toHaveLength(2);
      await until('both are gone', async () => (await Promise.all(started.map(isAlive))).every((alive) => !alive));
    });
  });

  it.each([
    ['', 'is empty'],
    ['\n\n', 'is empty'],
    ['changeme', 'looks like a placeholder'],
    ['CHANGE_ME_PLEASE_1234', 'looks like a placeholder'],
    ['please-change-me-now-x8', 'looks like a placeholder'],
    ['password', 'looks like a placeholder'],
    ['Password12345678', 'looks like a placeholder'],
    ['P@ssw0rd-P@ssw0rd', 'looks like a placeholder'],
    ['DevPassw0rd!DevPassw0rd!', 'looks like a placeholder'],
    ['my-super-secret-password', 'looks like a placeholder'],
    ['example-secret-example', 'looks like a placeholder'],
    ['<your password here, 16 chars>', 'looks like a placeholder'],
    ['${REDIS_PASSWORD_FROM_VAULT}', 'looks like a placeholder'],
    ['redisforge-operator-1', 'looks like a placeholder'],
    ['foobaredfoobared', 'looks like a placeholder'],
    ['q8Jd2Lx0vT5nRzW', 'is shorter than 16 characters'],
    ['abababababababababab', 'repeats a few characters'],
    ['1234567890123456', 'is a sequence'],
    ['q8Jd2Lx0vT5nRzWc'.repeat(65), 'is longer than 1024 characters'],
  ])('refuses %j', async (secret, reason) => {
    const failure = await failureOf(resolver({ S: secret })('env:S'));
    expect(failure.text.what).toBe(`On worker-7, the secret env:S ${reason}.`);
    if (secret.trim().length > 3) expect(failure.message).not.toContain(secret.trim());
  });

  it.each([GOOD, 'correct horse battery staple', 'b7b0c9f24a1de6538', '9041728365502917', '"\\ #$`;\t~*& >'.repeat(2)])(
    'accepts %j',
    async (secret) => {
      expect((await resolver({ S: secret })('env:S')).reveal()).toBe(secret);
    },
  );

  it('refuses one secret for two duties, without saying it', async () => {
    const env = { OPERATOR: GOOD, REPLICATION: `${GOOD}2`, APP: `${GOOD}3`, ADMIN: GOOD };
    const failure = await failureOf(resolveSecrets({ spec: specOf(), resolve: resolver(env) }));
    expect(failure.text.what).toBe('The users for operator and admin have the same secret.');
    expect(failure.message).not.toContain(GOOD);
  });

  it('gives all secrets of a spec, during a rotation also the next', async () => {
    const spec = specOf({ secrets: { ...specOf().secrets, app: { current: 'env:APP', next: 'env:APP_NEXT' } } });
    const env = {
      OPERATOR: `${GOOD}1`,
      REPLICATION: `${GOOD}2`,
      APP: `${GOOD}3`,
      APP_NEXT: `${GOOD}4`,
      ADMIN: `${GOOD}5`,
    };
    const secrets = await resolveSecrets({ spec, resolve: resolver(env) });
    expect(secrets.app.next?.reveal()).toBe(`${GOOD}4`);
    expect(secrets.admin.next).toBeUndefined();
    expect(secrets.admin.current.reveal()).toBe(`${GOOD}5`);
  });

  it('accepts what makeSecretFile makes, which nobody else can read and which is never written over', async () => {
    const path = join(folder, 'made', 'orders', 'operator');
    expect(await makeSecretFile(path)).toBe('made');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'made', 'orders'))).mode & 0o777).toBe(0o700);
    const text = await readFile(path, 'utf8');
    expect((await resolver()(`file:${path}`)).reveal()).toBe(text.trimEnd());
    expect(await makeSecretFile(path)).toBe('kept');
    expect(await readFile(path, 'utf8')).toBe(text);
  });
});
