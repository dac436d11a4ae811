import { type CapacityRange, chooseExpansion } from '../domain/capacity.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { isConflict, retryConflicts } from '../errors/conflicts.ts';
import { DriverError } from '../errors/errors.ts';
import { findVolume, lockKey, type PoolIndex } from '../index/pool-index.ts';
import { mustReserve, requireAdmitted, withFreshIndex } from '../index/reserve.ts';
import type { Call, Context } from './context.ts';
import { enforceSize } from './limits.ts';

/** What these operations use of the context. */
export type ExpandContext = Pick<Context, 'indexes' | 'locks' | 'step'>;

/** Raises a volume's size to what is required, at once and in use. The answer is its size, in bytes. */
export const expandVolume = (
  context: ExpandContext,
  volumeId: string,
  range: CapacityRange,
  call: Call,
): Promise<number> =>
  context.locks.run([lockKey(volumeId)], call.signal, () =>
    retryConflicts(async () => {
      const { record, ...index } = await findVolume(context, volumeId);
      const capacityBytes = chooseExpansion(record.capacityBytes, range);
      const expanded =
        capacityBytes === record.capacityBytes ? record : await expandRecord(context, index, record, capacityBytes);
      // Always: a crash may have left the old limit.
      await enforceSize(index.pool, expanded);
      const now = await index.volumes.read(record.name);
      if (now?.uid === record.uid && now.capacityBytes === capacityBytes) return capacityBytes;
      // Another controller has expanded it further, and one of the two limits was set last.
      throw new DriverError('conflict', 'another controller expands the volume');
    }),
  );

/** The new size counts against the budget before anybody is told of it. */
const expandRecord = async (
  context: ExpandContext,
  index: PoolIndex,
  record: VolumeRecord,
  capacityBytes: number,
): Promise<VolumeRecord> => {
  const { volumes, pool } = index;
  const { reservedBytes: _, ...settled } = record;
  context.step('expansion chosen');
  if (!mustReserve(pool, record)) return volumes.replace(record, { ...settled, capacityBytes });
  const reserved = await withFreshIndex(index, () =>
    volumes.replace(record, { ...record, reservedBytes: capacityBytes }),
  );
  context.step('expansion reserved');
  try {
    await requireAdmitted(index, reserved);
  } catch (thrown) {
    // In a conflict the reservation keeps its place before later ones.
    if (isConflict(thrown)) throw thrown;
    await volumes.replace(reserved, settled).catch(() => {
      // Then it stays reserved until the sweep, or the same call again.
    });
    throw thrown;
  }
  return volumes.replace(reserved, { ...settled, capacityBytes });
};
