import type { Unreadable } from '../store/records.ts';
import type { Shelf } from './shelf.ts';

/** Reads all records of a pool, which is open then. Returns those that cannot be read. */
export const readRecords = async ({ ledger, snapshots, openness }: Shelf): Promise<readonly Unreadable[]> => {
  const wasLoaded = ledger.isLoaded();
  const unreadable = [...(await snapshots.load()), ...(await ledger.load())];
  // Records that memory has from before, and that the root does not have any more.
  if (wasLoaded) for (const catalog of [snapshots, ledger]) await catalog.refresh();
  openness.opened();
  return unreadable;
};
