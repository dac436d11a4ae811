import type { ErrorKind } from '../errors/error-kind.ts';
import { DriverError } from '../errors/errors.ts';
import type { Root } from '../roots/root.ts';
import type { Log } from '../system/log.ts';
import type { Waker } from '../volumes/context.ts';

/**
 * Empties the trash of every pool in the background, one entry at a time. An entry that cannot be removed does not hold
 * up the others: it is retried after 30 seconds, then after twice as long, and so on up to an hour. While the storage does
 * not answer, all of them are retried together after 30 seconds.
 */
export interface Purger extends Waker {
  readonly backlog: (pool: string) => Backlog;
  /** Starts no further work; what runs may be ended at any point. */
  readonly stop: () => void;
}

export interface Backlog {
  /** Entries of the trash. */
  readonly entries: number;
  /** Those that could not be removed when it was last tried. */
  readonly stuck: number;
}

const DELAY_MS = 500;
const RETRY_MS = 30_000;
const MAX_RETRY_MS = 3_600_000;

export const createPurger = (roots: ReadonlyMap<string, Root>, log: Log): Purger => {
  const pools = new Map([...roots].map(([pool, root]) => [pool, createPoolPurger(pool, root, log)]));
  return {
    wake: (pool) => pools.get(pool)?.wake(),
    backlog: (pool) => pools.get(pool)?.backlog() ?? { entries: 0, stuck: 0 },
    stop: () => {
      for (const pool of pools.values()) pool.stop();
    },
  };
};

/** An entry that has failed: when it is tried again, on the monotonic clock, and how long it has waited for that. */
interface Failure {
  readonly retryAt: number;
  readonly delayMs: number;
}

/** These are about the storage or the worker, not about an entry. */
const INTERRUPTIONS: readonly ErrorKind[] = ['unavailable', 'unreachable', 'deadline-exceeded'];
const MAX_INTERRUPTIONS = 3;

const createPoolPurger = (pool: string, root: Root, log: Log) => {
  const failures = new Map<string, Failure>();
  const interrupted = new Set<string>();
  let entries = 0;
  let lastRetry = Number.NEGATIVE_INFINITY;
  let isRunning = false;
  let isWanted = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  /** One timer for everything that is to be done later, so that no chains of retries can form. */
  const schedule = (ms: number): void => {
    clearTimeout(timer);
    if (!isStopped) timer = setTimeout(() => void work(), ms).unref();
  };

  const attempt = async (entry: string): Promise<'purged' | 'stuck' | 'interrupted'> => {
    try {
      await root.purge(entry);
      failures.delete(entry);
      interrupted.delete(entry);
      entries -= 1;
      return 'purged';
    } catch (thrown) {
      const error = DriverError.from(thrown);
      if (INTERRUPTIONS.includes(error.kind)) {
        interrupted.add(entry);
        log.debug({ pool, entry, reason: error.message }, 'purge was interrupted, will be retried');
        return 'interrupted';
      }
      const delayMs = Math.min(MAX_RETRY_MS, 2 * (failures.get(entry)?.delayMs ?? RETRY_MS / 2));
      failures.set(entry, { delayMs, retryAt: performance.now() + delayMs });
      log.warn(
        { pool, entry, reason: error.message, retryMs: delayMs, err: error.cause },
        'deletion cannot be completed',
      );
      return 'stuck';
    }
  };

  /**
   * What has not failed, and of what has failed the one that has waited longest: one in 30 seconds. What was interrupted
   * comes after the others: it may be what ends the worker.
   */
  const choose = (all: readonly string[]): readonly string[] => {
    const now = performance.now();
    const fresh = all
      .filter((entry) => !failures.has(entry))
      .toSorted((a, b) => Number(interrupted.has(a)) - Number(interrupted.has(b)));
    const [due] = [...failures]
      .filter(([, { retryAt }]) => retryAt <= now)
      .sort(([, a], [, b]) => a.retryAt - b.retryAt);
    if (due === undefined || now < lastRetry + RETRY_MS) return fresh;
    lastRetry = now;
    return [...fresh, due[0]];
  };

  const forgetRemoved = (there: ReadonlySet<string>): void => {
    for (const known of [failures, interrupted])
      for (const entry of [...known.keys()].filter((each) => !there.has(each))) known.delete(entry);
  };

  const empty = async (): Promise<void> => {
    const all = await root.listTrash();
    entries = all.length;
    forgetRemoved(new Set(all));
    let inARow = 0;
    for (const entry of choose(all)) {
      // Storage that does not answer says nothing about the entries, however many there are.
      if (isStopped || inARow === MAX_INTERRUPTIONS) return;
      inARow = (await attempt(entry)) === 'interrupted' ? inARow + 1 : 0;
    }
  };

  /** False when the storage does not let us list the trash. */
  const emptyWhileWanted = async (): Promise<boolean> => {
    try {
      do {
        isWanted = false;
        await empty();
      } while (isWanted && !isStopped);
      return true;
    } catch (thrown) {
      log.warn({ pool, err: thrown }, 'trash cannot be listed, will be retried');
      return false;
    }
  };

  const work = async (): Promise<void> => {
    if (isRunning) return;
    isRunning = true;
    const isListed = await emptyWhileWanted();
    isRunning = false;
    if (failures.size > 0 || interrupted.size > 0 || !isListed) schedule(RETRY_MS);
  };

  return {
    wake: (): void => {
      isWanted = true;
      // Not beside the call that deletes, and once for many deletions.
      if (!isRunning) schedule(DELAY_MS);
    },
    backlog: (): Backlog => ({ entries, stuck: failures.size }),
    stop: (): void => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
};
