import type { Unreadable } from '../store/records.ts';
import type { PoolIndex } from './pool-index.ts';

/** Reads all records of a pool, which is open then. Returns those that cannot be read. */
export const readRecords = async ({ volumes, snapshots, openness }: PoolIndex): Promise<readonly Unreadable[]> => {
  const wasLoaded = volumes.isLoaded();
  const unreadable = [...(await snapshots.load()), ...(await volumes.load())];
  // Records that memory has from before, and that the root does not have any more.
  if (wasLoaded) for (const recordIndex of [snapshots, volumes]) await recordIndex.refresh();
  openness.opened();
  return unreadable;
};
