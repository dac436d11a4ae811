import { formatBytes } from '../domain/capacity.ts';
import type { Limit, VolumeRecord } from '../domain/volume.ts';
import { DriverError } from '../errors/errors.ts';
import type { PoolIndex } from '../index/pool-index.ts';
import { plainDirectory } from '../quotas/qgroups.ts';
import type { LimitedVolume } from '../quotas/sizes.ts';
import type { Root } from '../roots/root.ts';
import { planLimit } from './limits.ts';

/**
 * Enforces the size of a volume as `enforceOnce` does, and again from its current record where another process has
 * changed it meanwhile: an earlier run that was killed counts, its change is completed first.
 */
export const enforceSize = async (index: PoolIndex, record: VolumeRecord, write: boolean): Promise<void> => {
  let current = record;
  for (let left = MAX_CONFLICTS; ; left -= 1) {
    try {
      return await enforceOnce(index, current, write);
    } catch (thrown) {
      const next = await index.volumes.read(record.name);
      if (DriverError.from(thrown).kind !== 'conflict' || left === 0 || next === undefined) throw thrown;
      current = next;
    }
  }
};

const MAX_CONFLICTS = 10;

/**
 * Holds a volume to its size that was made or adopted before sizes were enforced. The record says `partial` until all
 * of its data counts, so that the same again goes on. Without `write` it is only found out whether it can be done.
 * Throws failed-precondition where it cannot.
 */
const enforceOnce = async (index: PoolIndex, record: VolumeRecord, write: boolean): Promise<void> => {
  const { pool, volumes } = index;
  const limit = record.limit ?? (await planLimit(pool));
  if (limit === undefined) throw new DriverError('failed-precondition', 'sizes are not enforced in its pool');
  if (limit.by === 'qgroup') await requireSubvolume(pool.root, record);
  if (!write) return;
  if (limit.by === 'project') await volumes.replace(record, { ...record, limit: { ...limit, partial: true } });
  await pool.root.countExisting({ ...record, limit });
  // That takes the longer the more files there are: a driver may have expanded or deleted the volume meanwhile.
  const current = await volumes.read(record.name);
  if (current?.uid !== record.uid || current.state !== 'ready')
    throw new DriverError('not-found', 'it has been deleted');
  const volume = { ...current, limit };
  await requireRoom(pool.root, volume);
  await pool.root.enforce(volume, volume.capacityBytes);
  await volumes.replace(current, { ...current, limit: wholeOf(limit) });
};

const requireSubvolume = async (root: Root, { directory }: VolumeRecord): Promise<void> => {
  if (!(await root.isSubvolume(directory))) throw plainDirectory();
};

/** A volume that is larger than its size could not be written to at all. */
const requireRoom = async (root: Root, volume: LimitedVolume & VolumeRecord): Promise<void> => {
  const [usage] = await root.usages([volume]);
  if (usage === undefined || usage.usedBytes <= volume.capacityBytes) return;
  throw new DriverError(
    'failed-precondition',
    `it uses ${formatBytes(usage.usedBytes)} of ${formatBytes(volume.capacityBytes)}: expand it first`,
  );
};

const wholeOf = (limit: Limit): Limit => (limit.by === 'qgroup' ? limit : { by: 'project', id: limit.id });
