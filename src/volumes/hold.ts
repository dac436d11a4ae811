import { type Fullness, fullnessOf } from '../domain/fullness.ts';
import type { Limit, VolumeRecord } from '../domain/volume.ts';
import type { Pool } from '../pools/pool.ts';

/** What is to hold a new volume of a pool to its size; undefined where nothing is. */
export const planLimit = async (pool: Pool): Promise<Limit | undefined> =>
  mayHold(pool) ? pool.root.newLimit() : undefined;

/** True where new volumes are held to their sizes if that can be done at all. */
export const mayHold = ({ sizes }: Pool): boolean => sizes === undefined || sizes === 'enforce';

/** Holds a volume to the size in its record, in the way that its record says. Repeats nothing but itself. */
export const holdVolume = async ({ root }: Pool, record: VolumeRecord): Promise<void> => {
  const { limit, capacityBytes } = record;
  if (limit !== undefined && isWhole(limit)) await root.hold({ ...record, limit }, capacityBytes);
};

/** True when all of a volume's data counts. */
export const isWhole = (limit: Limit): boolean => limit.by === 'qgroup' || limit.partial !== true;

/** How many of the volumes that are held to their sizes are how full. */
export const countHeld = async (
  { root }: Pool,
  records: readonly VolumeRecord[],
): Promise<Readonly<Record<Fullness, number>>> => {
  const held = records.flatMap(({ name, directory, limit, state }) =>
    state === 'ready' && limit !== undefined && isWhole(limit) ? [{ name, directory, limit }] : [],
  );
  const counts = { 'has room': 0, 'nearly full': 0, full: 0 };
  for (const { usedBytes, limitBytes } of await root.usages(held)) {
    if (limitBytes !== undefined) counts[fullnessOf(usedBytes, limitBytes)] += 1;
  }
  return counts;
};
