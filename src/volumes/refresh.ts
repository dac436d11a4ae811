import type { Pool } from '../pools/pool.ts';
import type { Catalog } from './catalog.ts';
import type { Context, Shelf } from './context.ts';

/** All shelves by the name of their pool, with what other writers have done. */
export const refreshAll = async (context: Context): Promise<readonly Shelf[]> => {
  const shelves = [...context.shelves.values()].sort((a, b) => (a.pool.name < b.pool.name ? -1 : 1));
  await Promise.all(
    shelves.flatMap(({ pool, ledger, snapshots }) => [refresh(pool, ledger), refresh(pool, snapshots)]),
  );
  return shelves;
};

/** Where others write too, memory is behind; while the storage does not answer, it is all there is. */
export const refresh = async (pool: Pool, catalog: Pick<Catalog<unknown>, 'isLoaded' | 'refresh'>): Promise<void> => {
  if (pool.reach === 'everywhere' && catalog.isLoaded())
    await Promise.race([catalog.refresh().catch(() => {}), patience(pool)]);
};

/** A look at the names takes far less. A server that is known to be silent is tried behind our back. */
const PATIENCE_MS = 3_000;

const patience = ({ problem }: Pool): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, problem() === undefined ? PATIENCE_MS : 0).unref();
  });
