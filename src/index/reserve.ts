import type { VolumeRecord } from '../domain/volume.ts';
import { DriverError } from '../errors/errors.ts';
import type { Pool } from '../pools/pool.ts';
import { isInlineId } from '../requests/inline.ts';
import type { PoolIndex } from './pool-index.ts';

/**
 * Checks, for a record that is on disk, that the pool has room for it and that its directory is its own. Every writer
 * writes first and looks then, at what is on disk, so of two that would not both fit at least one notices. Throws
 * no-space or failed-precondition, or conflict where others that are still looking are in the way.
 */
export const requireAdmitted = async ({ pool, volumes }: PoolIndex, record: VolumeRecord): Promise<void> => {
  if (!mustReserve(pool, record)) return;
  await volumes.refresh();
  volumes.requireAdmitted(record);
};

/**
 * Runs work that memory may refuse for lack of room, or because of a taken directory; again with fresh memory, since
 * another controller may have deleted what is in the way.
 */
export const withFreshIndex = async <Value>(
  { pool, volumes }: PoolIndex,
  work: () => Promise<Value>,
): Promise<Value> => {
  try {
    return await work();
  } catch (thrown) {
    const { kind } = DriverError.from(thrown);
    if (pool.reach === 'node' || (kind !== 'no-space' && kind !== 'failed-precondition')) throw thrown;
    await volumes.refresh();
    return work();
  }
};

/** True where another controller could admit a volume that does not fit together with this one. */
export const mustReserve = (
  { reach, budgetBytes, inlineBudgetBytes }: Pool,
  { name, directory, requestedName }: VolumeRecord,
): boolean => {
  const hasBudget = budgetBytes !== undefined || (inlineBudgetBytes !== undefined && isInlineId(requestedName));
  return reach === 'everywhere' && (hasBudget || !directory.includes(name));
};
