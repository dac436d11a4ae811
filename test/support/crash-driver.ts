import { readFileSync, writeSync } from 'node:fs';
import { enforceSizes } from '../../src/cli/enforce.ts';
import { runServe } from '../../src/cli/serve.ts';
import { serveWorker } from '../../src/host/worker-process.ts';

/**
 * The driver, or its `volumes enforce`, with fault points: CRASH_AT=N ends it with SIGKILL at the N-th step. With CRASH_WORKER_AT=FILE it
 * is its worker that ends, at the step whose number is in the file when the worker starts. `main.ts` passes `noStep`
 * instead, so none of this is reachable in what ships.
 */
const crashAt = (count: number) => {
  let left = count;
  return (name: string): void => {
    left -= 1;
    if (left !== 0) return;
    writeSync(2, `crash at: ${name}\n`);
    process.kill(process.pid, 'SIGKILL');
  };
};

const { CRASH_AT = '0', CRASH_WORKER_AT } = process.env;
const [, , command, ...args] = process.argv;

if (command === 'worker') {
  const count = CRASH_WORKER_AT === undefined ? 0 : Number(readFileSync(CRASH_WORKER_AT, 'utf8'));
  process.exit(await serveWorker(args[0] ?? '', args[1] === 'mounted', crashAt(count)));
}
if (command === 'volumes') process.exit(await enforceSizes(args.slice(1), process.env, crashAt(Number(CRASH_AT))));
process.exit(await runServe(args, process.env, crashAt(Number(CRASH_AT))));
