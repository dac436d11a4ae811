import type { Root } from '../host/root.ts';
import type { Log } from '../log.ts';

/** Empties the trash behind everybody's back: one child per pool at a time, again after a failure. */
export interface Purger {
  readonly wake: (pool: string) => void;
  /** Entries of the trash that are still there, per pool. */
  readonly backlog: () => ReadonlyMap<string, number>;
  /** Starts no further work; what runs may be ended at any point. */
  readonly stop: () => void;
}

/** Entries given to one child: many small volumes cost one process, and a big one does not hide the rest. */
const BATCH = 32;
const RETRY_MS = 30_000;
const DELAY_MS = 500;

export const createPurger = (roots: ReadonlyMap<string, Root>, log: Log): Purger => {
  const left = new Map<string, number>();
  const running = new Set<string>();
  const wanted = new Set<string>();
  let stopped = false;

  const empty = async (pool: string, root: Root): Promise<void> => {
    while (!stopped) {
      const entries = await root.listTrash();
      left.set(pool, entries.length);
      if (entries.length === 0) return;
      await root.purge(entries.slice(0, BATCH));
    }
  };

  const wake = (pool: string): void => {
    const root = roots.get(pool);
    if (root === undefined || stopped) return;
    wanted.add(pool);
    if (running.has(pool)) return;
    running.add(pool);
    // Not beside the call that deletes, and for many deletions at once.
    setTimeout(() => void work(pool, root), DELAY_MS).unref();
  };

  const work = async (pool: string, root: Root): Promise<void> => {
    try {
      while (wanted.delete(pool)) await empty(pool, root);
    } catch (thrown) {
      log.warn({ pool, err: thrown }, 'purge failed, will be tried again');
      setTimeout(wake, RETRY_MS, pool).unref();
    } finally {
      running.delete(pool);
    }
  };

  return {
    wake,
    backlog: () => left,
    stop: () => {
      stopped = true;
    },
  };
};
