/**
 * Side by side in one run, alternating: `redis-cli --cluster create` alone, on six nodes that run already, against `redisforge apply` from six bare
 * hosts (exam, helper, files, start, formation over SSH and Temporal, the CLI's own start included), until the cluster takes writes. The time of the
 * proof is shown apart, and so is a second apply with nothing to do.
 *
 *   npx tsx bench/apply.ts [rounds]
 */
import { createSecretResolver } from '../config/secrets.js';
import { openStage } from '../test/support/e2e.js';
import { startTestTemporal } from '../test/support/temporal.js';
import { timeRedisCli, UPTIME_MS, withRunningNodes } from './support/redis-cli.js';
import { median, ratio, writeResult } from './support/result.js';
import { type Times, watchForming } from './support/watch.js';

interface Applied extends Times {
  /** Until the CLI said done and proven. */
  readonly provenMs: number;
  readonly secondApplyMs: number;
}

async function timeApply(temporalAddress: string): Promise<Applied> {
  const stage = await openStage({ temporalAddress, name: 'bench', nodeTimeoutMs: 5000 });
  try {
    await stage.startWorker();
    const secrets = createSecretResolver({ env: {}, machine: 'the bench' });
    const [times, provenMs] = await Promise.all([
      watchForming({ spec: stage.spec, secrets }),
      timed(() => stage.apply()),
    ]);
    return { ...times, provenMs, secondApplyMs: await timed(() => stage.apply()) };
  } finally {
    await stage.close();
  }
}

async function timed(work: () => Promise<{ exitCode: number | null; stderr: string }>): Promise<number> {
  const startedAt = performance.now();
  const { exitCode, stderr } = await work();
  if (exitCode !== 0) throw new Error(stderr);
  return performance.now() - startedAt;
}

const rounds = Number(process.argv[2] ?? 3);
const theirs: number[] = [];
const ours: Applied[] = [];
const temporal = await startTestTemporal();
try {
  for (let i = 1; i <= rounds; i += 1) {
    const their = (await withRunningNodes(timeRedisCli)).writableMs;
    const our = await timeApply(temporal.address);
    theirs.push(their);
    ours.push(our);
    console.log(`round ${i}: redis-cli --cluster create ${ms(their)}; apply from bare hosts ${line(our)}`);
  }
} finally {
  await temporal.stop();
}
const create = median(theirs);
const apply: Applied = {
  writableMs: median(ours.map(({ writableMs }) => writableMs)),
  inSyncMs: median(ours.map(({ inSyncMs }) => inSyncMs)),
  provenMs: median(ours.map(({ provenMs }) => provenMs)),
  secondApplyMs: median(ours.map(({ secondApplyMs }) => secondApplyMs)),
};
console.log(`median:  redis-cli --cluster create ${ms(create)}; apply from bare hosts ${line(apply)}`);
console.log(`ratio:   ${ratio(create, apply.writableMs)}x until it takes writes, everything from bare hosts included`);
writeResult('apply', {
  rounds,
  uptimeMs: UPTIME_MS,
  nodeTimeoutMs: 5000,
  redisCliCreate: { medianWritableMs: create, rounds: theirs.map(Math.round) },
  apply: { median: apply, rounds: ours },
  ratioWritable: ratio(create, apply.writableMs),
});

function line({ writableMs, inSyncMs, provenMs, secondApplyMs }: Applied): string {
  return `takes writes after ${ms(writableMs)}, in sync after ${ms(inSyncMs)}, proven after ${ms(provenMs)}; again, nothing to do: ${ms(secondApplyMs)}`;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
