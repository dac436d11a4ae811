import type { Shelf } from '../index/shelf.ts';
import type { Log } from '../system/log.ts';
import type { Context } from '../volumes/context.ts';
import { sweepShelf } from './sweep.ts';

/**
 * Sweeps an open pool at long intervals, until `signal` is aborted: what another controller has left has to be seen
 * unchanged twice before anybody touches it.
 */
export const startSweeping = (context: Context, shelf: Shelf, log: Log, signal: AbortSignal): void => {
  const { pool, ledger, snapshots } = shelf;
  const sweep = async (): Promise<void> => {
    try {
      await Promise.all([ledger.refresh(), snapshots.refresh()]);
      await pool.root.clean(MINIMUM_AGE_MS);
      const swept = await sweepShelf(context, shelf, { signal, log, isAlone: false });
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
