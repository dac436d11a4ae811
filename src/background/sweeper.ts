import type { PoolIndex } from '../index/pool-index.ts';
import type { Log } from '../system/log.ts';
import type { Context } from '../volumes/context.ts';
import { sweepPool } from './sweep.ts';

/**
 * Sweeps an open pool at long intervals, until `signal` is aborted: what another controller has left has to be seen
 * unchanged twice before anybody touches it.
 */
export const startSweeping = (context: Context, index: PoolIndex, log: Log, signal: AbortSignal): void => {
  const { pool, volumes, snapshots } = index;
  const sweep = async (): Promise<void> => {
    try {
      await Promise.all([volumes.refresh(), snapshots.refresh()]);
      await pool.root.clean(MINIMUM_AGE_MS);
      const swept = await sweepPool(context, index, { signal, log, isAlone: false });
      if (swept.deleted + swept.rolledBack > 0) log.info({ pool: pool.name, ...swept }, 'unfinished work swept');
    } catch (thrown) {
      log.warn({ pool: pool.name, err: thrown }, 'sweep failed, will be retried');
    }
    next();
  };
  const next = (): void => {
    if (!signal.aborted) setTimeout(() => void sweep(), context.owners.takeoverMs * INTERVAL).unref();
  };
  next();
};

/** Times `takeoverMs`. A shared pool that is idle has no worker; a sweep starts one. */
const INTERVAL = 10;
/** Milliseconds after which a temporary file belongs to nobody any more. */
export const MINIMUM_AGE_MS = 600_000;
