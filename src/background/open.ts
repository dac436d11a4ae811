import { DriverError } from '../errors/errors.ts';
import { readRecords } from '../index/enter.ts';
import { findPool, type PoolIndex, pickPool } from '../index/pool-index.ts';
import { exposureOf, type Facts } from '../pools/facts.ts';
import type { Log } from '../system/log.ts';
import type { Call, Context } from '../volumes/context.ts';
import { repairLimits } from '../volumes/limits.ts';
import type { BackgroundContext } from './context.ts';
import { sweepPool } from './sweep.ts';
import { MINIMUM_AGE_MS, startSweeping } from './sweeper.ts';

/** What is known of a pool since it was opened. */
export interface Opened {
  readonly facts: Facts;
  /** Records that could not be read. */
  readonly unreadable: number;
}

export interface Opener {
  /** Tries every pool once. One that fails, or is closed later, is retried in the background. */
  readonly open: () => Promise<void>;
  readonly opened: (pool: string) => Opened | undefined;
  /** The pools that have not been tried yet. One that cannot be opened keeps nobody from using the others. */
  readonly untried: () => readonly string[];
}

const RETRY_MS = 5_000;

export const createOpener = (context: BackgroundContext, log: Log, signal: AbortSignal): Opener => {
  const opened = new Map<string, Opened>();
  const tried = new Set<string>();
  const opening = new Set<string>();

  const open = async (index: PoolIndex): Promise<void> => {
    const { pool, openness } = index;
    if (opening.has(pool.name) || signal.aborted) return;
    opening.add(pool.name);
    try {
      opened.set(pool.name, await openPool(context, index, log, signal));
    } catch (thrown) {
      openness.closed(thrown instanceof Error ? thrown.message : String(thrown));
      log.error({ pool: pool.name, root: pool.root.path, err: thrown }, 'pool cannot be opened, will be retried');
    }
    opening.delete(pool.name);
    tried.add(pool.name);
    if (openness.problem() !== undefined) setTimeout(() => void open(index), RETRY_MS).unref();
  };

  return {
    open: async () => {
      const indexes = [...context.indexes.values()];
      for (const index of indexes) {
        index.openness.whenClosed(() => {
          opened.delete(index.pool.name);
          log.error({ pool: index.pool.name, reason: index.openness.problem() }, 'pool is not open any more');
          void open(index);
        });
        startSweeping(context, index, log, signal);
        context.auditor.start(index, log, signal);
      }
      await Promise.all(indexes.map(open));
    },
    opened: (pool) => opened.get(pool),
    untried: () => [...context.indexes.keys()].filter((pool) => !tried.has(pool)),
  };
};

/**
 * The named pool or the only one, with its records. A node of the shared driver opens none at its start: it reads records
 * for inline volumes alone, without the tidying that is the controller's. Elsewhere: unavailable while it is not open.
 */
export const openOnDemand = async (context: Context, name: string | undefined, call: Call): Promise<PoolIndex> => {
  const index = findPool(context, name, 'volume_context.pool');
  const { pool, openness } = index;
  const read = async (): Promise<void> => {
    if (openness.problem() === undefined) return;
    await pool.open(context.entry);
    await pool.findOut();
    await readRecords(index);
    context.purger.wake(pool.name);
  };
  if (context.topology === undefined) await context.locks.run([`records of ${pool.name}`], call.signal, read);
  return pickPool(context, pool.name, 'volume_context.pool');
};

const openPool = async (context: Context, index: PoolIndex, log: Log, signal: AbortSignal): Promise<Opened> => {
  const { pool, volumes, snapshots } = index;
  // Not again once the pool has been in use: what looks left over then belongs to a call that is running.
  const isFirst = !volumes.isLoaded();
  const isAlone = isFirst && pool.reach === 'node';
  await pool.open(context.entry);
  if (isFirst) await pool.root.clean(isAlone ? 0 : MINIMUM_AGE_MS);
  const facts = await pool.findOut();
  const exposure = exposureOf(facts, pool.reach);
  if (exposure !== undefined)
    log.warn({ pool: pool.name, root: pool.root.path, exposure }, 'root is open to other users');
  const unreadable = await readRecords(index);
  for (const { name, reason } of unreadable)
    log.error({ pool: pool.name, record: name, reason }, 'record cannot be read');
  const swept = await sweepPool(context, index, { signal, log, isAlone });
  const complain = (volume: string, thrown: unknown): void =>
    log.error({ pool: pool.name, volume, err: thrown }, 'volume is not held to its size');
  const repaired = await repairLimits(pool, volumes.list(), complain).catch((thrown: unknown) => {
    // The volumes are there all the same.
    complain('all', thrown);
    return 0;
  });
  requireStillOpen(index);
  const told = { volumes: volumes.list().length, snapshots: snapshots.list().length, ...facts, ...swept, repaired };
  log.info({ pool: pool.name, root: pool.root.path, ...told }, 'pool opened');
  return { facts, unreadable: unreadable.length };
};

const requireStillOpen = ({ openness }: PoolIndex): void => {
  const problem = openness.problem();
  if (problem !== undefined) throw new DriverError('unavailable', problem);
};
