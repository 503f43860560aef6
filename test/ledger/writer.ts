import type { Answer, Ask, Asked } from './protocol.js';
import { LedgerRun } from './run.js';

// A process of its own, so that neither the test disturbs its clocks nor it the test's. It ends with the process that started it.
let run: LedgerRun | undefined;

async function answer(ask: Ask): Promise<unknown> {
  if (ask.ask === 'start') {
    run = new LedgerRun(ask.request);
    return run.start();
  }
  if (run === undefined) throw new Error('it was not started');
  switch (ask.ask) {
    case 'counts':
      return run.counts();
    case 'pause':
      return run.pause();
    case 'sample':
      return run.sample();
    case 'clear':
      return run.clear();
    case 'verify':
      return run.verify(ask.request);
  }
}

process.on('message', ({ id, ask }: Asked) => {
  answer(ask).then(
    (value) => process.send?.({ id, value } satisfies Answer),
    (error: unknown) =>
      process.send?.({ id, failed: String(error instanceof Error ? error.stack : error) } satisfies Answer),
  );
});
process.once('disconnect', () => process.exit(0));
// The library sends ASKING before a redirected command without waiting for its answer: where the connection ends, the command itself tells of it.
process.on('unhandledRejection', (reason) => console.error('not waited for:', reason));
