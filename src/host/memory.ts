import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

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
 * never: 48 MB of private memory become 34. Costs one pause of some 50 ms, so call it when nobody waits.
 */
export const releaseMemory = (): void => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  collect({ type: 'major', flavor: 'last-resort', execution: 'sync' });
};
