import { DriverError } from '../errors/errors.ts';

/**
 * One at a time per key. A lock is held until the work has really ended, not until its caller has gone; a caller that
 * goes while it waits leaves the queue.
 */
export interface Locks {
  /** Waits until all keys are free, in the order of the calls, then works. Throws aborted when `signal` ends the wait. */
  readonly run: <Value>(keys: readonly string[], signal: AbortSignal, work: () => Promise<Value>) => Promise<Value>;
}

export const createLocks = (): Locks => {
  const tails = new Map<string, Promise<void>>();

  const join = (key: string): Place => {
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    const before = tails.get(key) ?? Promise.resolve();
    const tail = before.then(() => left);
    tails.set(key, tail);
    return {
      turn: before,
      leave: () => {
        leave();
        if (tails.get(key) === tail) tail.then(() => tails.get(key) === tail && tails.delete(key)).catch(() => {});
      },
    };
  };

  return {
    run: async (keys, signal, work) => {
      // All queues are joined in one turn of the event loop, so no two callers can wait for each other.
      const places = [...new Set(keys)].map(join);
      try {
        await wait(Promise.all(places.map((place) => place.turn)), signal);
        return await work();
      } finally {
        for (const place of places) place.leave();
      }
    },
  };
};

interface Place {
  readonly turn: Promise<void>;
  readonly leave: () => void;
}

/** Resolves when it is our turn, or rejects when the caller goes first. */
const wait = (turn: Promise<unknown>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const goAway = () => reject(new DriverError('aborted', 'another call for the same volume is still running'));
    if (signal.aborted) goAway();
    signal.addEventListener('abort', goAway, { once: true });
    void turn.then(() => {
      signal.removeEventListener('abort', goAway);
      resolve();
    });
  });
