import type { Pool } from '../pools/pool.ts';
import { within } from '../system/within.ts';
import { type PoolIndex, type PoolIndexes, requireOpen } from './pool-index.ts';
import type { RecordIndex } from './record-index.ts';

/**
 * The indexes of all pools, sorted by name, with the changes of other writers. A further page of a list gets the indexes as
 * its first page found them. Throws unavailable while a pool is not open.
 */
export const refreshAll = async (all: PoolIndexes, token = ''): Promise<readonly PoolIndex[]> => {
  const indexes = [...requireOpen(all)].sort((a, b) => (a.pool.name < b.pool.name ? -1 : 1));
  if (token !== '') return indexes;
  await Promise.all(
    indexes.flatMap(({ pool, volumes, snapshots }) => [refresh(pool, volumes), refresh(pool, snapshots)]),
  );
  return indexes;
};

/** Where others write too, memory is behind; while the storage does not answer, it is all there is. */
export const refresh = async (
  pool: Pool,
  recordIndex: Pick<RecordIndex<unknown>, 'isLoaded' | 'refresh'>,
): Promise<void> => {
  if (pool.reach === 'everywhere' && recordIndex.isLoaded())
    await within(
      recordIndex.refresh().catch(() => {}),
      pool.problem() === undefined ? PATIENCE_MS : 0,
    );
};

/** A look at the names takes far less. A server that is known to be silent is tried behind our back. */
const PATIENCE_MS = 3_000;
