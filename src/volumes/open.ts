import type { Log } from '../log.ts';
import type { Facts } from '../pools/facts.ts';
import { type Call, type Context, findPool, pickShelf, type Shelf } from './context.ts';
import { repairLimits } from './hold.ts';
import { minimumAgeMs, sweepShelf } from './sweep.ts';

/** What is known of a pool since it was opened. */
export interface Opened {
  readonly facts: Facts;
  /** Records that could not be read. */
  readonly unreadable: number;
}

export interface Opener {
  /** Tries every pool once; one that fails is tried again behind, and does not hold up the others. */
  readonly open: () => Promise<void>;
  readonly opened: (pool: string) => Opened | undefined;
  /** Why the driver is not ready; empty when every pool is open. */
  readonly problems: () => readonly string[];
}

const RETRY_MS = 5_000;

export const createOpener = (context: Context, log: Log, signal: AbortSignal): Opener => {
  const opened = new Map<string, Opened>();
  const failures = new Map<string, string>();

  const open = async (shelf: Shelf): Promise<void> => {
    const { name, root } = shelf.pool;
    try {
      opened.set(name, await openShelf(context, shelf, log, signal));
      failures.delete(name);
    } catch (thrown) {
      failures.set(name, thrown instanceof Error ? thrown.message : String(thrown));
      log.error({ pool: name, root: root.path, err: thrown }, 'pool cannot be opened, will be tried again');
      if (!signal.aborted) setTimeout(() => void open(shelf), RETRY_MS).unref();
    }
  };

  return {
    open: async () => {
      await Promise.all([...context.shelves.values()].map(open));
    },
    opened: (pool) => opened.get(pool),
    problems: () =>
      [...context.shelves.keys()]
        .filter((pool) => !opened.has(pool))
        .map((pool) => `pool ${pool} is not open: ${failures.get(pool) ?? 'its records are being read'}`),
  };
};

/**
 * The named pool or the only one, with its records. A node of the shared driver opens none at its start: it reads records
 * for inline volumes alone, without the tidying that is the controller's. Elsewhere: unavailable until a start has come
 * to its end.
 */
export const openOnDemand = async (context: Context, name: string | undefined, call: Call): Promise<Shelf> => {
  const shelf = findPool(context, name, 'volume_context.pool');
  const { pool, ledger } = shelf;
  const read = async (): Promise<void> => {
    if (ledger.isLoaded()) return;
    await pool.root.prepare();
    await readShelf(shelf);
    context.purger.wake(pool.name);
  };
  if (context.topology === undefined) await context.locks.run([`records of ${pool.name}`], call.signal, read);
  return pickShelf(context, pool.name, 'volume_context.pool');
};

const openShelf = async (context: Context, shelf: Shelf, log: Log, signal: AbortSignal): Promise<Opened> => {
  const { pool, ledger, snapshots } = shelf;
  await pool.root.prepare();
  // Not again once the pool is in use: what looks left over then belongs to a call that is running.
  if (!ledger.isLoaded()) await pool.root.clean(minimumAgeMs(pool));
  const { facts, unreadable } = await readShelf(shelf);
  for (const { name, reason } of unreadable)
    log.error({ pool: pool.name, record: name, reason }, 'record cannot be read');
  const swept = await sweepShelf(context, shelf, { signal });
  const complain = (volume: string, thrown: unknown): void =>
    log.error({ pool: pool.name, volume, err: thrown }, 'volume is not held to its size');
  const repaired = await repairLimits(pool, ledger.list(), complain).catch((thrown: unknown) => {
    // The volumes are there all the same.
    complain('all', thrown);
    return 0;
  });
  const told = { volumes: ledger.list().length, snapshots: snapshots.list().length, ...facts, ...swept, repaired };
  log.info({ pool: pool.name, root: pool.root.path, ...told }, 'pool opened');
  return { facts, unreadable: unreadable.length };
};

/** What is known of a pool, and its records. */
const readShelf = async ({ pool, ledger, snapshots }: Shelf) => {
  const facts = await pool.findOut();
  const listings = [await snapshots.load(), await ledger.load()] as const;
  return { facts, unreadable: listings.flatMap((listing) => listing.unreadable) };
};
