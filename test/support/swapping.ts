import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export interface SwapOrder {
  /** What is swapped: `path` becomes a link to `decoy`, and itself again. */
  readonly swaps: readonly { readonly path: string; readonly decoy: string }[];
  /** A folder in whose entries `inner` is swapped with a link to `decoy`. */
  readonly trash: string;
  readonly decoy: string;
  readonly shared: SharedArrayBuffer;
}

export interface Swapping {
  /** Swaps so far. */
  readonly count: () => number;
  /** Resolves when everything is in its place again. */
  readonly stop: () => Promise<void>;
}

export const startSwapping = (order: Omit<SwapOrder, 'shared'>): Swapping => {
  const shared = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);
  const counters = new Int32Array(shared);
  const worker = new Worker(new URL('./swapper.ts', import.meta.url), { workerData: { ...order, shared } });
  const ended = once(worker, 'exit');
  return {
    count: () => Atomics.load(counters, 1),
    stop: async () => {
      Atomics.store(counters, 0, 1);
      await ended;
    },
  };
};
