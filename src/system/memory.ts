import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Lets the heap grow in small steps. It is small, and what grows with many callers is waste that is collected late: after
 * 100 of them the process had 113 MB of private memory, with this 50. To be called first.
 */
export const keepHeapSmall = (): void => setFlagsFromString('--optimize-for-size');

/**
 * Gives memory back when nothing has happened for a while. `used` is for every call: it puts that off.
 */
export const createMemoryKeeper = (quietMs = 20_000): { readonly used: () => void } => {
  let timer: NodeJS.Timeout | undefined;
  return {
    used: () => {
      timer ??= setTimeout(releaseMemory, quietMs).unref();
      timer.refresh();
    },
  };
};

/**
 * Gives back what loading and start-up have used. V8 keeps it until it needs it, which in a driver that idles is
 * never: 48 MB of private memory become 34. Costs one pause of some 50 ms, so call it when nobody waits. A heap that holds
 * many records is left alone: there the pause would be longer, and what can be released is a small part of it.
 */
export const releaseMemory = (): void => {
  if (process.memoryUsage().heapUsed > LARGE_HEAP) return;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  collect({ type: 'major', flavor: 'last-resort', execution: 'sync' });
};

/** Bytes. */
const LARGE_HEAP = 48 * 1024 ** 2;
