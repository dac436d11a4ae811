import { isPlaced } from '../copies/fill.ts';
import { isCopyFor } from '../domain/copy.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { retryConflicts } from '../errors/conflicts.ts';
import { DriverError } from '../errors/errors.ts';
import { findShelf, lockKey, type Shelf } from '../index/shelf.ts';
import type { Call, Context } from './context.ts';
import { refuseMounted } from './mounted.ts';

/** What these operations use of the context. */
export type DeleteContext = Pick<Context, 'shelves' | 'locks' | 'purger' | 'copier' | 'readMounts' | 'step'>;

/**
 * Deletes a volume. An id that no volume has is a success. What is renamed is the directory that the record names; the
 * data itself is purged in the background.
 */
export const deleteVolume = async (
  context: DeleteContext,
  volumeId: string,
  call: Call,
): Promise<VolumeRecord | undefined> => {
  const shelf = findShelf(context, volumeId);
  if (shelf === undefined) return undefined;
  // It may still be filled from its source: then nobody wants that any more.
  await context.copier.cancel(volumeId);
  return context.locks.run([lockKey(volumeId)], call.signal, async () => {
    await context.copier.cancelReaders(volumeId);
    const record = await shelf.ledger.read(shelf.handle.name);
    if (record === undefined) return undefined;
    if (record.state === 'ready') await refuseMounted(context, shelf, record);
    await finishDelete(context, shelf, record);
    return record;
  });
};

/**
 * Deletes the volume that a record describes, and no other one of the same name. Any number of processes may do it at
 * the same time, and each step may be the last one before a crash.
 */
export const finishDelete = (context: DeleteContext, shelf: Shelf, record: VolumeRecord): Promise<void> =>
  removeVolume(context, shelf, record, () => true);

/** The same for a volume that is not ready. Leaves it alone once another controller has made it ready. */
export const rollBackCreate = (context: DeleteContext, shelf: Shelf, record: VolumeRecord): Promise<void> =>
  removeVolume(context, shelf, record, ({ state }) => state !== 'ready');

const removeVolume = (
  context: DeleteContext,
  shelf: Shelf,
  { name, uid }: VolumeRecord,
  isWanted: (record: VolumeRecord) => boolean,
): Promise<void> =>
  retryConflicts(async () => {
    const { pool, ledger } = shelf;
    const record = await ledger.read(name);
    if (record?.uid !== uid || !isWanted(record)) return;
    const deleting = await markDeleting(shelf, record);
    context.step('record marked');
    await (deleting.rollback === true ? discardUnfinished(shelf, deleting) : putAway(shelf, deleting));
    context.step('directory put away');
    await ledger.remove(deleting);
    context.purger.wake(pool.name);
  });

/**
 * Marks a record before anything of its volume is removed. A disk that is full must not keep anybody from making room
 * on it: then the deletion continues unmarked, and after a crash the same call again finishes it.
 */
const markDeleting = async ({ ledger }: Shelf, record: VolumeRecord): Promise<VolumeRecord> => {
  if (record.state === 'deleting') return record;
  const { owner: _, ...rest } = record;
  const marked: VolumeRecord = {
    ...rest,
    state: 'deleting',
    ...(record.state === 'creating' ? { rollback: true } : {}),
  };
  try {
    return await ledger.replace(record, marked);
  } catch (thrown) {
    if (DriverError.from(thrown).kind !== 'no-space') throw thrown;
    return { ...marked, uid: record.uid, revision: record.revision };
  }
};

const putAway = async ({ pool: { root } }: Shelf, record: VolumeRecord): Promise<void> => {
  const { settings, limit } = record;
  if (settings.onDelete === 'delete') return root.trash(record);
  if (limit !== undefined) await root.lift({ ...record, limit });
  if (settings.onDelete === 'archive') await root.archive(record);
};

/** Removes a directory that is still empty, or that is a copy. What enforces the size is released with the data. */
const discardUnfinished = async ({ pool: { root } }: Shelf, record: VolumeRecord): Promise<void> => {
  const { adopted, source, limit, name, uid } = record;
  const copies = await root.listCopies();
  const own = copies.filter((copy) => isCopyFor(copy, { kind: 'volume', name, uid }));
  const placed = isPlaced(record, copies);
  if (placed) await root.trash(record);
  await root.discardCopies(own, record);
  if (!adopted && source === undefined) await root.removeEmpty(record);
  if (limit !== undefined && !placed && own.length === 0) await root.giveBack({ name, limit });
};
