import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export interface WatchOrder {
  readonly pid: number;
  readonly shared: SharedArrayBuffer;
}

/** Watches the children of a process. Stopping answers every command line and environment that could be seen. */
export const watchChildren = (pid: number): { readonly stop: () => Promise<readonly string[]> } => {
  const shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const worker = new Worker(new URL('./child-watcher.ts', import.meta.url), { workerData: { pid, shared } });
  const seen = once(worker, 'message');
  return {
    stop: async () => {
      Atomics.store(new Int32Array(shared), 0, 1);
      return (await seen)[0];
    },
  };
};
