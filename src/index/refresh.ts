import type { Pool } from '../pools/pool.ts';
import type { Catalog } from './catalog.ts';
import { requireOpen, type Shelf, type Shelves } from './shelf.ts';

/**
 * All shelves by the name of their pool, with what other writers have done; for a further page of a list, as the first one
 * has found them. Throws unavailable while any is not open.
 */
export const refreshAll = async (all: Shelves, token = ''): Promise<readonly Shelf[]> => {
  const shelves = [...requireOpen(all)].sort((a, b) => (a.pool.name < b.pool.name ? -1 : 1));
  if (token !== '') return shelves;
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
