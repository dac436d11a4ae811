import { DriverError } from './errors.ts';

/** Runs work that begins by reading what it changes, again when another controller has changed that in the meantime. */
export const retryConflicts = async <Value>(work: () => Promise<Value>): Promise<Value> => {
  for (let left = ATTEMPTS; ; left -= 1) {
    try {
      return await work();
    } catch (thrown) {
      if (left === 1 || !isConflict(thrown)) throw thrown;
    }
  }
};

export const isConflict = (thrown: unknown): boolean => thrown instanceof DriverError && thrown.kind === 'conflict';

/** Each conflict means that somebody else has made progress; whoever loses so often lets its caller retry. */
const ATTEMPTS = 8;
