import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { WatchOrder } from './watching.ts';

// The body of a thread that reads what the children of a process are started with, as fast as it can.

const { pid, shared } = workerData as WatchOrder;
const stop = new Int32Array(shared);

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1').replaceAll('\0', ' ');
  } catch {
    // It has ended.
    return '';
  }
};

const watch = (): readonly string[] => {
  const seen = new Set<string>();
  while (Atomics.load(stop, 0) === 0) {
    for (const child of read(`/proc/${pid}/task/${pid}/children`).trim().split(' ')) {
      if (child === '') continue;
      seen.add(read(`/proc/${child}/cmdline`));
      seen.add(read(`/proc/${child}/environ`));
    }
  }
  return [...seen];
};

parentPort?.postMessage(watch());
