import { runServe } from '../../src/cli/serve.ts';

/** The driver with a pause at every step: what is asked of it takes long enough to be stopped in the middle. */
const pause = (): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
};

process.exit(await runServe(process.argv.slice(3), process.env, pause));
