import { limitFor } from '../domain/capacity.ts';
import { type Fullness, fullnessOf } from '../domain/fullness.ts';
import type { Limit, VolumeRecord } from '../domain/volume.ts';
import type { Pool } from '../pools/pool.ts';
import type { HeldVolume } from '../quotas/sizes.ts';

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
  const counts = { 'has room': 0, 'nearly full': 0, full: 0 };
  for (const { usedBytes, limitBytes } of await root.usages(records.flatMap(heldOf))) {
    if (limitBytes !== undefined) counts[fullnessOf(usedBytes, limitBytes)] += 1;
  }
  return counts;
};

/** Volumes that nothing holds to their size, or not all of their data, whatever their records say. */
export const listUnheld = async (
  { root }: Pool,
  records: readonly VolumeRecord[],
): Promise<readonly VolumeRecord[]> => {
  const usages = await root.usages(records.flatMap(heldOf));
  const held = new Set(usages.flatMap(({ name, limitBytes }) => (limitBytes === undefined ? [] : [name])));
  return records.filter(({ name, state }) => state === 'ready' && !held.has(name));
};

/**
 * Sets limits again that are not what the records say: expansions that a crash has ended, and what btrfs loses: all of
 * them when quotas were disabled, the last ones when the power went, as fsync(2) does not bring them to disk. A project
 * without a quota is left alone: its labels may have gone with it. Answers how many were set; tells of the others.
 */
export const repairLimits = async (
  pool: Pool,
  records: readonly VolumeRecord[],
  complain: (volume: string, thrown: unknown) => void,
): Promise<number> => {
  const usages = await pool.root.usages(records.flatMap(heldOf));
  const limits = new Map(usages.map(({ name, limitBytes }) => [name, limitBytes]));
  const wrong = records.filter(({ name, limit, capacityBytes }) => {
    const found = limits.get(name);
    return limits.has(name) && found !== limitFor(capacityBytes) && (found !== undefined || limit?.by === 'qgroup');
  });
  let repaired = 0;
  for (const record of wrong) {
    await holdVolume(pool, record).then(
      () => {
        repaired += 1;
      },
      (thrown: unknown) => complain(record.name, thrown),
    );
  }
  return repaired;
};

/** The volume, if the file system enforces its size. */
export const heldOf = ({ name, uid, directory, limit, state }: VolumeRecord): readonly HeldVolume[] =>
  state === 'ready' && limit !== undefined && isWhole(limit) ? [{ name, uid, directory, limit }] : [];
