import { isCommitted } from '../copies/populate.ts';
import { isCopyFor } from '../domain/copy.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { retryConflicts } from '../errors/conflicts.ts';
import { DriverError } from '../errors/errors.ts';
import { findPoolOf, lockKey, type PoolIndex } from '../index/pool-index.ts';
import type { Call, Context } from './context.ts';
import { refuseMounted } from './mounted.ts';

/** What these operations use of the context. */
export type DeleteContext = Pick<Context, 'indexes' | 'locks' | 'purger' | 'copier' | 'readMounts' | 'step'>;

/**
 * Deletes a volume. An id that no volume has is a success. What is renamed is the directory that the record names; the
 * data itself is purged in the background.
 */
export const deleteVolume = async (
  context: DeleteContext,
  volumeId: string,
  call: Call,
): Promise<VolumeRecord | undefined> => {
  const index = findPoolOf(context, volumeId);
  if (index === undefined) return undefined;
  // It may still be filled from its source: then nobody wants that any more.
  await context.copier.cancel(volumeId);
  return context.locks.run([lockKey(volumeId)], call.signal, async () => {
    await context.copier.cancelReaders(volumeId);
    const record = await index.volumes.read(index.handle.name);
    if (record === undefined) return undefined;
    if (record.state === 'ready') await refuseMounted(context, index, record);
    await finishDelete(context, index, record);
    return record;
  });
};

/**
 * Deletes the volume that a record describes, and no other one of the same name. Any number of processes may do it at
 * the same time, and each step may be the last one before a crash.
 */
export const finishDelete = (context: DeleteContext, index: PoolIndex, record: VolumeRecord): Promise<void> =>
  removeVolume(context, index, record, () => true);

/** The same for a volume that is not ready. Leaves it alone once another controller has made it ready. */
export const rollBackCreate = (context: DeleteContext, index: PoolIndex, record: VolumeRecord): Promise<void> =>
  removeVolume(context, index, record, ({ state }) => state !== 'ready');

const removeVolume = (
  context: DeleteContext,
  index: PoolIndex,
  { name, uid }: VolumeRecord,
  isWanted: (record: VolumeRecord) => boolean,
): Promise<void> =>
  retryConflicts(async () => {
    const { pool, volumes } = index;
    const record = await volumes.read(name);
    if (record?.uid !== uid || !isWanted(record)) return;
    const deleting = await markDeleting(index, record);
    context.step('record marked');
    await (deleting.rollback === true ? discardUnfinished(index, deleting) : putAway(index, deleting));
    context.step('directory put away');
    await volumes.remove(deleting);
    context.purger.wake(pool.name);
  });

/**
 * Marks a record before anything of its volume is removed. A disk that is full must not keep anybody from making room
 * on it: then the deletion continues unmarked, and after a crash the same call again finishes it.
 */
const markDeleting = async ({ volumes }: PoolIndex, record: VolumeRecord): Promise<VolumeRecord> => {
  if (record.state === 'deleting') return record;
  const { owner: _, ...rest } = record;
  const marked: VolumeRecord = {
    ...rest,
    state: 'deleting',
    ...(record.state === 'creating' ? { rollback: true } : {}),
  };
  try {
    return await volumes.replace(record, marked);
  } catch (thrown) {
    if (DriverError.from(thrown).kind !== 'no-space') throw thrown;
    return { ...marked, uid: record.uid, revision: record.revision };
  }
};

const putAway = async ({ pool: { root } }: PoolIndex, record: VolumeRecord): Promise<void> => {
  const { settings, limit } = record;
  if (settings.onDelete === 'delete') return root.trash(record);
  if (limit !== undefined) await root.clear({ ...record, limit });
  if (settings.onDelete === 'archive') await root.archive(record);
};

/** Removes a directory that is still empty, or that is a copy. What enforces the size is released with the data. */
const discardUnfinished = async ({ pool: { root } }: PoolIndex, record: VolumeRecord): Promise<void> => {
  const { adopted, source, limit, name, uid } = record;
  const copies = await root.listCopies();
  const own = copies.filter((copy) => isCopyFor(copy, { kind: 'volume', name, uid }));
  const committed = isCommitted(record, copies);
  if (committed) await root.trash(record);
  await root.dropCopies(own, record);
  if (!adopted && source === undefined) await root.removeEmpty(record);
  if (limit !== undefined && !committed && own.length === 0) await root.release({ name, limit });
};
