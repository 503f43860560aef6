import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { claim, helperHost, type HelperHost } from './run-helper.js';

let host: HelperHost;
let machine: string;
let programs: string;

/** No machine with dnf is at hand: programs of its names note how they are called, and keep one package as their database. */
beforeEach(async () => {
  machine = await mkdtemp(join(tmpdir(), 'redisforge-dnf-'));
  programs = join(machine, 'bin');
  await mkdir(programs);
  host = await helperHost({ machine });
  await host.run(claim());
  await stand('systemctl', '');
  await stand('rpm', 'cat "$state/installed" 2>/dev/null || exit 1');
  await stand(
    'dnf',
    'case "$*" in *" install "*) printf "installed 8.0.1-1.el9" >"$state/installed" ;; *"versionlock add"*) echo "redis-0:8.0.1-1.el9.*" >"$state/locked" ;; *"versionlock list"*) cat "$state/locked" 2>/dev/null ;; esac',
  );
  await stand('redis-server', 'echo "Redis server v=8.0.1 sha=0"');
});
afterEach(async () => {
  await host.remove();
  await rm(machine, { recursive: true });
});

async function stand(name: string, body: string): Promise<void> {
  const path = join(programs, name);
  await writeFile(path, `#!/bin/sh\nstate=${programs}\necho "${name} $*" >>"$state/calls"\n${body}\n`);
  await chmod(path, 0o755);
}

function install() {
  const words = [
    'package',
    'install',
    'dnf',
    'redis',
    '8.0.1-1.el9',
    join(programs, 'redis-server'),
    'Redis server v=8.0',
  ];
  return host.act(words);
}

it.runIf(process.getuid?.() === 0)('dnf is told the exact version and to lock it, once', async () => {
  const first = await install();
  expect(first.lines).toEqual(['effect\tpackage.installed\tredis 8.0.1-1.el9']);
  const changing = async () =>
    (await readFile(join(programs, 'calls'), 'utf8')).split('\n').filter((call) => /^dnf .*(install|add)/.test(call));
  const wanted = [
    'dnf -y --setopt=exit_on_lock=False --setopt=install_weak_deps=False --allowerasing install redis-8.0.1-1.el9',
    'dnf -y versionlock add redis',
  ];
  expect(await changing()).toEqual(wanted);
  expect(await install()).toMatchObject({ code: 0, lines: [] });
  expect(await changing()).toEqual(wanted);
});
