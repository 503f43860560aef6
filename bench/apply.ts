/**
 * Side by side in one run, alternating, on like labs of bare hosts: a plain shell script (parallel ssh, `redis-cli --cluster create`) against `redisforge apply`
 * (exam, helper, files, start, formation; SSH, Temporal and the CLI's own start included), until the cluster takes writes. The time of the proof is shown
 * apart, and so is a second apply with nothing to do. Then how ours grows with the number of hosts.
 *
 *   npx tsx bench/apply.ts [rounds]
 */
import { createSecretResolver } from '../config/secrets.js';
import { openStage, type Stage } from '../test/support/e2e.js';
import { startTestTemporal } from '../test/support/temporal.js';
import { timeByHand } from './support/by-hand.js';
import { median, ratio, writeResult } from './support/result.js';
import { type Times, watchForming } from './support/watch.js';

/** Both sides. */
const COMPARED = [6, 12];
/** Ours alone, once each. */
const GROWTH = [6, 12, 18, 24, 30];
const NODE_TIMEOUT_MS = 5000;

interface Applied extends Times {
  /** From taking writes until the CLI said done and proven. */
  readonly proofMs: number;
  readonly secondApplyMs: number;
}

async function timeApply(stage: Stage): Promise<Applied> {
  const worker = await stage.startWorker();
  const secrets = createSecretResolver({ env: {}, machine: 'the bench' });
  const [times, provenMs] = await Promise.all([
    watchForming({ spec: stage.spec, secrets }),
    timed(() => stage.apply()),
  ]);
  const secondApplyMs = await timed(() => stage.apply());
  worker.kill('SIGTERM');
  await worker.exited;
  return { ...times, proofMs: provenMs - times.writableMs, secondApplyMs };
}

async function timed(work: () => Promise<{ exitCode: number | null; stderr: string }>): Promise<number> {
  const startedAt = performance.now();
  const { exitCode, stderr } = await work();
  if (exitCode !== 0) throw new Error(stderr);
  return performance.now() - startedAt;
}

async function onBareHosts<T>(hosts: number, use: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = await openStage({
    temporalAddress: temporal.address,
    name: 'bench',
    hosts,
    nodeTimeoutMs: NODE_TIMEOUT_MS,
    heartbeat: '5s',
  });
  try {
    return await use(stage);
  } finally {
    await stage.close();
  }
}

async function compare(hosts: number) {
  const byHand: Times[] = [];
  const applied: Applied[] = [];
  for (let i = 1; i <= rounds; i += 1) {
    const their = await onBareHosts(hosts, timeByHand);
    const our = await onBareHosts(hosts, timeApply);
    byHand.push(their);
    applied.push(our);
    console.log(`${hosts} hosts, round ${i}: script ${ms(their.writableMs)}; apply ${line(our)}`);
  }
  const script = median(byHand.map(({ writableMs }) => writableMs));
  const apply = middle(applied);
  const ratioWritable = ratio(script, apply.writableMs);
  console.log(`${hosts} hosts, median:  script ${ms(script)}; apply ${line(apply)}: ${ratioWritable}x`);
  return {
    hosts,
    script: { medianWritableMs: script, rounds: byHand },
    apply: { median: apply, rounds: applied },
    ratioWritable,
  };
}

function middle(applied: readonly Applied[]): Applied {
  return {
    writableMs: median(applied.map(({ writableMs }) => writableMs)),
    inSyncMs: median(applied.map(({ inSyncMs }) => inSyncMs)),
    proofMs: median(applied.map(({ proofMs }) => proofMs)),
    secondApplyMs: median(applied.map(({ secondApplyMs }) => secondApplyMs)),
  };
}

function line({ writableMs, inSyncMs, proofMs, secondApplyMs }: Applied): string {
  return `takes writes after ${ms(writableMs)}, in sync after ${ms(inSyncMs)}, then ${ms(proofMs)} until proven; again, nothing to do: ${ms(secondApplyMs)}`;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

const rounds = Number(process.argv[2] ?? 3);
const temporal = await startTestTemporal();
try {
  const compared = [];
  for (const hosts of COMPARED) compared.push(await compare(hosts));
  const growth = [];
  for (const hosts of GROWTH) {
    const applied = await onBareHosts(hosts, timeApply);
    growth.push({ hosts, ...applied });
    console.log(`${hosts} hosts: apply ${line(applied)}`);
  }
  writeResult('apply', { rounds, nodeTimeoutMs: NODE_TIMEOUT_MS, compared, growth });
} finally {
  await temporal.stop();
}
