import { lstatSync, readdirSync, realpathSync, renameSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { workerData } from 'node:worker_threads';
import type { SwapOrder } from './swapping.ts';

// The body of a thread that puts links where directories and files were, and these back, as fast as it can.

const { swaps, trash, decoy, shared } = workerData as SwapOrder;
const counters = new Int32Array(shared);
const STOP = 0;
const DONE = 1;
const NEVER = 2;

const swapAll = (): void => {
  while (Atomics.load(counters, STOP) === 0) {
    for (const one of swaps) swap(one.path, one.decoy);
    for (const entry of readdirSync(trash)) {
      if (!isDirectory(join(trash, entry))) continue;
      swap(join(trash, entry, 'inner'), decoy);
    }
  }
};

const swap = (path: string, link: string): void => {
  const aside = `${path}.aside`;
  // Nobody but this thread makes links here: it must not be led astray by one that it has left itself.
  if (!isReal(dirname(path)) || !attempt(() => renameSync(path, aside))) return;
  pause();
  if (attempt(() => symlinkSync(link, path))) Atomics.add(counters, DONE, 1);
  pause();
  attempt(() => unlinkSync(path));
  if (!attempt(() => renameSync(aside, path))) rmSync(aside, { recursive: true, force: true });
  pause();
};

/** From nothing to a few tenths of a millisecond, so that every moment of a call is met. */
const pause = (): void => {
  if (Math.random() < 0.7) Atomics.wait(counters, NEVER, 0, Math.random() * 0.4);
};

const attempt = (act: () => void): boolean => {
  try {
    act();
    return true;
  } catch {
    return false;
  }
};

const isReal = (path: string): boolean => attempt(() => refuse(realpathSync(path) !== path));

const isDirectory = (path: string): boolean => attempt(() => refuse(!lstatSync(path).isDirectory()));

const refuse = (condition: boolean): void => {
  if (condition) throw new Error('refused');
};

swapAll();
