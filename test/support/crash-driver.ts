import { writeSync } from 'node:fs';
import { runServe } from '../../src/cli/serve.ts';

/**
 * The driver with fault points: CRASH_AT=N ends it with SIGKILL at the N-th step it takes. `main.ts` passes `noStep`
 * instead, so none of this is reachable in what ships.
 */
let left = Number(process.env.CRASH_AT ?? 0);

const crashAtStep = (name: string): void => {
  left -= 1;
  if (left !== 0) return;
  writeSync(2, `crash at: ${name}\n`);
  process.kill(process.pid, 'SIGKILL');
};

process.exit(await runServe(process.argv.slice(3), process.env, crashAtStep));
