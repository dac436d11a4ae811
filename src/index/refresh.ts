import type { Pool } from '../pools/pool.ts';
import { type PoolIndex, type PoolIndexes, requireOpen } from './pool-index.ts';
import type { RecordIndex } from './record-index.ts';

/**
 * The indexes of all pools, sorted by the name of the pool, with what other writers have done; for a further page of a list, as the first one
 * has found them. Throws unavailable while any is not open.
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
    await Promise.race([recordIndex.refresh().catch(() => {}), patience(pool)]);
};

/** A look at the names takes far less. A server that is known to be silent is tried behind our back. */
const PATIENCE_MS = 3_000;

const patience = ({ problem }: Pool): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, problem() === undefined ? PATIENCE_MS : 0).unref();
  });
