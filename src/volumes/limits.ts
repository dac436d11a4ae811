import { limitFor } from '../domain/capacity.ts';
import { type UsageLevel, usageLevelOf } from '../domain/usage-level.ts';
import type { Limit, VolumeRecord } from '../domain/volume.ts';
import type { Pool } from '../pools/pool.ts';
import type { LimitedVolume } from '../quotas/sizes.ts';

/** The limit that a new volume of a pool gets; undefined where its size is not enforced. */
export const planLimit = async (pool: Pool): Promise<Limit | undefined> =>
  mayEnforce(pool) ? pool.root.newLimit() : undefined;

/** True where the sizes of new volumes are enforced if the file system can. */
export const mayEnforce = ({ sizes }: Pool): boolean => sizes === undefined || sizes === 'enforce';

/** Enforces the size in the record of a volume, in the way that the record says. Idempotent. */
export const enforceSize = async ({ root }: Pool, record: VolumeRecord): Promise<void> => {
  const { limit, capacityBytes } = record;
  if (limit !== undefined && isWhole(limit)) await root.enforce({ ...record, limit }, capacityBytes);
};

/** True when all data of a volume counts against its size. */
export const isWhole = (limit: Limit): boolean => limit.by === 'qgroup' || limit.partial !== true;

/** The number of volumes at each usage level, of those whose sizes are enforced. */
export const countUsageLevels = async (
  { root }: Pool,
  records: readonly VolumeRecord[],
): Promise<Readonly<Record<UsageLevel, number>>> => {
  const counts = { 'has room': 0, 'nearly full': 0, full: 0 };
  for (const { usedBytes, limitBytes } of await root.usages(records.flatMap(limitedOf))) {
    if (limitBytes !== undefined) counts[usageLevelOf(usedBytes, limitBytes)] += 1;
  }
  return counts;
};

/** Ready volumes whose size is not enforced, or not for all of their data, whatever their records say. */
export const listUnlimited = async (
  { root }: Pool,
  records: readonly VolumeRecord[],
): Promise<readonly VolumeRecord[]> => {
  const usages = await root.usages(records.flatMap(limitedOf));
  const held = new Set(usages.flatMap(({ name, limitBytes }) => (limitBytes === undefined ? [] : [name])));
  return records.filter(({ name, state }) => state === 'ready' && !held.has(name));
};

/**
 * Sets limits that differ from the records. A crash can interrupt an expansion. btrfs loses all limits when quotas are
 * disabled, and the latest ones in a power failure, because fsync(2) does not write them. A project without a quota is
 * left alone, because its labels may be lost too. Returns how many limits were set; calls `complain` for each failure.
 */
export const repairLimits = async (
  pool: Pool,
  records: readonly VolumeRecord[],
  complain: (volume: string, thrown: unknown) => void,
): Promise<number> => {
  const usages = await pool.root.usages(records.flatMap(limitedOf));
  const limits = new Map(usages.map(({ name, limitBytes }) => [name, limitBytes]));
  const wrong = records.filter(({ name, limit, capacityBytes }) => {
    const found = limits.get(name);
    return limits.has(name) && found !== limitFor(capacityBytes) && (found !== undefined || limit?.by === 'qgroup');
  });
  let repaired = 0;
  for (const record of wrong) {
    await enforceSize(pool, record).then(
      () => {
        repaired += 1;
      },
      (thrown: unknown) => complain(record.name, thrown),
    );
  }
  return repaired;
};

/** The volume in a list if the file system enforces its size, else an empty list. */
export const limitedOf = ({ name, uid, directory, limit, state }: VolumeRecord): readonly LimitedVolume[] =>
  state === 'ready' && limit !== undefined && isWhole(limit) ? [{ name, uid, directory, limit }] : [];
