import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { enforceSizes } from '../../src/cli/enforce.ts';
import { runServe } from '../../src/cli/serve.ts';
import { serveWorker } from '../../src/worker/worker-process.ts';

/**
 * The driver, or its `volumes enforce`, with steps at which it ends with SIGKILL: at the N-th one with CRASH_AT=N; with
 * CRASH_FILE=FILE as soon as it has taken as many steps as the file says, which a test may write at any time; 0 means
 * never. CRASH_ONLY is a list, with | between, of the steps that count; left out: all. With CRASH_WORKER_AT=FILE its worker ends, at the step whose number is in the file when the worker starts.
 * `main.ts` passes `noStep` instead, so none of this is reachable in what ships.
 */
const crashAt = (count: number) => {
  let left = count;
  return (name: string): void => {
    left -= 1;
    if (left === 0) crash(name);
  };
};

const crashBy = (file: string) => (name: string) => {
  const left = Number(readFileSync(file, 'utf8'));
  if (left === 0) return;
  if (left === 1) crash(name);
  writeFileSync(file, String(left - 1));
};

const crash = (name: string): void => {
  writeSync(2, `crash at: ${name}\n`);
  process.kill(process.pid, 'SIGKILL');
};

const { CRASH_AT = '0', CRASH_FILE, CRASH_ONLY, CRASH_WORKER_AT } = process.env;
const [, , command, ...args] = process.argv;
const counted = CRASH_ONLY?.split('|');
const take = CRASH_FILE === undefined ? crashAt(Number(CRASH_AT)) : crashBy(CRASH_FILE);
const step = (name: string): void => {
  if (counted === undefined || counted.includes(name)) take(name);
};

if (command === 'worker') {
  const count = CRASH_WORKER_AT === undefined ? 0 : Number(readFileSync(CRASH_WORKER_AT, 'utf8'));
  process.exit(await serveWorker(args, crashAt(count)));
}
if (command === 'volumes') process.exit(await enforceSizes(args.slice(1), process.env, step));
process.exit(await runServe(args, process.env, step));
