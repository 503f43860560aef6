import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeError } from '../domain/errors.js';
import { type ContainerEngine, engineRefused } from './container-engine.js';
import { containerName, createArgv } from './container-host.js';
import { findImage } from './container-image.js';
import { diskOf } from './container-settings.js';
import { seedArchive } from './container-seed.js';
import type { HostState, LabDriver, LabFaults, LabHost } from './driver.js';
import { answersSsh, proveLogin } from './sshd.js';

/** A host boots in about a second; a busy machine gets this long. */
const BOOT_MS = 90_000;
const POLL_MS = 50;
/** What a host ends with that reboots from inside; the image says so to systemd. */
const REBOOT_CODE = 133;

type Power = Pick<LabDriver, 'start' | 'stop' | 'kill' | 'freeze' | 'thaw' | 'stateOf'> & Pick<LabFaults, 'reboot'>;

export interface PowerDeps {
  readonly engine: ContainerEngine;
  readonly searchPath: string;
  /** A host that is cut off may be up and not answer. */
  readonly isCut: LabFaults['isCut'];
}

export type ContainerStatus = 'running' | 'frozen' | 'stopped' | 'missing';

export async function containerStatus(engine: ContainerEngine, host: LabHost): Promise<ContainerStatus> {
  const argv = ['container', 'inspect', '--format', '{{.State.Status}}', containerName(host)];
  const { code, stdout } = await engine.ask({ argv });
  if (code !== 0) return 'missing';
  switch (stdout.trim()) {
    case 'running':
      return 'running';
    case 'paused':
      return 'frozen';
    default:
      return 'stopped';
  }
}

/** Switches hosts on and off. */
export function createPower(deps: PowerDeps): Power {
  const { engine } = deps;
  const status = (host: LabHost) => containerStatus(engine, host);
  const thaw = async (host: LabHost) => {
    if ((await status(host)) === 'frozen') await engine.run('unpause', containerName(host));
  };
  const start = async (host: LabHost) => {
    const now = await status(host);
    if (now === 'frozen') return thaw(host);
    if (now === 'missing') await create(host, engine);
    if (now !== 'running') await switchOn(host, engine);
    await untilBooted(host, deps);
  };
  return {
    start,
    thaw,
    async stop(host, graceMs) {
      await thaw(host);
      if ((await status(host)) === 'running') await engine.run('stop', ...graceOf(graceMs), containerName(host));
    },
    async kill(host) {
      const argv = ['kill', '--signal', 'KILL', containerName(host)];
      if (!['running', 'frozen'].includes(await status(host))) return;
      const answer = await engine.ask({ argv });
      // It may have ended by itself meanwhile.
      if (answer.code !== 0 && (await status(host)) !== 'stopped') throw engineRefused(argv, answer);
    },
    async freeze(host) {
      if ((await status(host)) === 'running') await engine.run('pause', containerName(host));
    },
    async stateOf(host): Promise<HostState> {
      const now = await status(host);
      if (now === 'frozen') return 'frozen';
      if (now !== 'running') return 'stopped';
      return (await deps.isCut(host)) || (await answersSsh(host)) ? 'running' : 'stopped';
    },
    async reboot(host, graceMs) {
      await thaw(host);
      if ((await status(host)) === 'missing') return start(host);
      await engine.run('restart', ...graceOf(graceMs), containerName(host));
      await untilBooted(host, deps);
    },
  };
}

/** The engine counts in seconds. */
function graceOf(graceMs: number): string[] {
  return ['--time', `${Math.ceil(graceMs / 1000)}`];
}

async function create(host: LabHost, engine: ContainerEngine): Promise<void> {
  const { tag } = await findImage(engine);
  await engine.run(...createArgv(host, { image: tag, disk: await diskOf(host) }));
}

/** Before its first boot a host gets what it is to know; the engine gives this time to a container that never ran. */
const NEVER = '0001-01-01T00:00:00Z';

async function switchOn(host: LabHost, engine: ContainerEngine): Promise<void> {
  const name = containerName(host);
  if ((await engine.run('container', 'inspect', '--format', '{{.State.StartedAt}}', name)) === NEVER) {
    const { release } = await findImage(engine);
    const argv = ['cp', '-', `${name}:/`];
    const answer = await engine.ask({ argv, input: await seedArchive(host, release) });
    if (answer.code !== 0) throw engineRefused(argv, answer);
  }
  await engine.run('start', name);
}

/** Until systemd has started all that it starts at boot, and a login works where this machine is not cut off. */
async function untilBooted(host: LabHost, deps: PowerDeps): Promise<void> {
  const argv = ['exec', containerName(host), 'systemctl', 'is-system-running', '--wait'];
  const end = Date.now() + BOOT_MS;
  for (;;) {
    const { stdout, stderr } = await deps.engine.ask({ argv });
    // Degraded: a unit of somebody's failed. The host is up all the same.
    if (/^(running|degraded)$/.test(stdout.trim())) break;
    const ended = await endedBooting(host, deps.engine);
    if (ended !== null) throw await wontBoot(host, deps.engine, ended);
    if (Date.now() > end) {
      throw await wontBoot(host, deps.engine, `not within ${BOOT_MS} ms, and says: ${stdout.trim() || stderr.trim()}`);
    }
    await sleep(POLL_MS);
  }
  if (await deps.isCut(host)) return;
  while (!(await answersSsh(host))) {
    if (Date.now() > end) throw await wontBoot(host, deps.engine, `its sshd did not answer within ${BOOT_MS} ms`);
    await sleep(POLL_MS);
  }
  await proveLogin(host, deps.searchPath);
}

/** What it ended with in the middle of its boot, or `null`: the engine would try for ever, in longer and longer steps. */
async function endedBooting(host: LabHost, engine: ContainerEngine): Promise<string | null> {
  const format = '{{.State.Running}} {{.State.Restarting}} {{.State.ExitCode}}';
  const { stdout } = await engine.ask({ argv: ['container', 'inspect', '--format', format, containerName(host)] });
  const [running, restarting, code] = stdout.trim().split(' ');
  if (running === 'true' && restarting !== 'true') return null;
  return restarting === 'true' && Number(code) === REBOOT_CODE ? null : `it ended with code ${code}`;
}

async function wontBoot(host: LabHost, engine: ContainerEngine, happened: string): Promise<ForgeError> {
  const name = containerName(host);
  const { stdout, stderr } = await engine.ask({ argv: ['logs', '--tail', '5', name] });
  const said = `${stdout}${stderr}`.trim().split('\n').join(' | ');
  return new ForgeError('NotReached', {
    what: `Lab host ${host.name} (${host.address}) did not boot: ${happened}. Its console ends: ${said === '' ? '(empty)' : said}`,
    left: 'The other hosts of the lab are left as they are.',
    next: `Look inside with \`docker logs ${name}\` and \`docker exec ${name} journalctl -b\`; \`redisforge lab down\` takes all away.`,
  });
}
