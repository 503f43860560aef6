/**
 * Side by side in one run, alternating: `redis-cli --cluster create` on six running nodes against ours on six nodes like them, until the cluster takes
 * writes: every node says cluster_state:ok and a SET on each master is taken. Both are watched by the same eyes.
 *
 *   npx tsx bench/formation.ts [rounds]
 */
import { form } from '../activities/redis/form.js';
import { place } from '../domain/placement.js';
import type { RedisNodes } from '../test/support/redis-nodes.js';
import { CONFIRMED, TOKEN } from '../test/support/fence.js';
import { timeRedisCli, UPTIME_MS, withRunningNodes } from './support/redis-cli.js';
import { median, ratio, writeResult } from './support/result.js';
import { type Times, watchForming } from './support/watch.js';

async function timeOurs(nodes: RedisNodes): Promise<Times> {
  const [times] = await Promise.all([
    watchForming(nodes),
    form({ spec: nodes.spec, token: TOKEN, ...place(nodes.spec) }, { secrets: nodes.secrets, ...CONFIRMED }),
  ]);
  return times;
}

const rounds = Number(process.argv[2] ?? 3);
const theirs: Times[] = [];
const ours: Times[] = [];
for (let i = 1; i <= rounds; i += 1) {
  const their = await withRunningNodes(timeRedisCli);
  const our = await withRunningNodes(timeOurs);
  theirs.push(their);
  ours.push(our);
  console.log(`round ${i}: redis-cli ${line(their)}; RedisForge ${line(our)}`);
}
const [redisCli, redisForge] = [summary(theirs), summary(ours)];
const times = {
  writable: ratio(redisCli.writableMs, redisForge.writableMs),
  inSync: ratio(redisCli.inSyncMs, redisForge.inSyncMs),
};
console.log(`median:  redis-cli ${line(redisCli)}; RedisForge ${line(redisForge)}`);
console.log(
  `ratio:   ${times.writable}x until it takes writes, ${times.inSync}x until all views agree and replicas are in sync`,
);
writeResult('formation', {
  rounds,
  uptimeMs: UPTIME_MS,
  redisCli: { median: redisCli, rounds: theirs },
  redisForge: { median: redisForge, rounds: ours },
  ratio: times,
});

function summary(times: readonly Times[]): Times {
  return {
    writableMs: median(times.map(({ writableMs }) => writableMs)),
    inSyncMs: median(times.map(({ inSyncMs }) => inSyncMs)),
  };
}

function line({ writableMs, inSyncMs }: Times): string {
  return `takes writes after ${Math.round(writableMs)} ms, in sync after ${Math.round(inSyncMs)} ms`;
}
