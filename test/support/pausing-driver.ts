import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { runServe } from '../../src/cli/serve.ts';
import { serveWorker } from '../../src/worker/worker-process.ts';

/**
 * The driver, with points at which it stops. PAUSE_FILE names a file with a number: after so many steps, its own and
 * those of its workers, the driver and the worker that took the last one get SIGSTOP. They continue at SIGCONT.
 */
const { PAUSE_FILE = '' } = process.env;
const [, , command, ...args] = process.argv;

const pause = (name: string): void => {
  const left = Number(readFileSync(PAUSE_FILE, 'utf8'));
  if (left === 0) return;
  writeFileSync(PAUSE_FILE, String(left - 1));
  if (left > 1) return;
  writeSync(2, `paused: ${process.pid} ${name}\n`);
  if (command === 'worker') process.kill(process.ppid, 'SIGSTOP');
  process.kill(process.pid, 'SIGSTOP');
};

if (command === 'worker') process.exit(await serveWorker(args, pause));
process.exit(await runServe(args, process.env, pause));
