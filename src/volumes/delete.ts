import { DriverError } from '../domain/errors.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { abandonCreate } from './abandon.ts';
import { type Call, type Context, findShelf, lockKey, type Shelf } from './context.ts';
import { markDeleting } from './mark.ts';

/**
 * Deletes a volume. An id that is not ours, or that is gone already, is a success: nothing of that name exists. What
 * is renamed is what the record names, whatever the id says; the data itself is purged behind.
 */
export const deleteVolume = async (
  context: Context,
  volumeId: string,
  call: Call,
): Promise<VolumeRecord | undefined> => {
  const shelf = findShelf(context, volumeId);
  if (shelf === undefined) return undefined;
  // It may still be filled from its source: then nobody wants that any more.
  await context.copier.cancel(volumeId);
  return context.locks.run([lockKey(volumeId)], call.signal, async () => {
    if (context.copier.isRead(volumeId)) throw new DriverError('aborted', 'the volume is being copied');
    const record = await shelf.ledger.read(shelf.handle.name);
    if (record?.state === 'creating') await abandonCreate(context, shelf, record);
    else if (record !== undefined) await finishDelete(context, shelf, record);
    return record;
  });
};

/** Each step may be the last one before a crash, and may be repeated. */
export const finishDelete = async (context: Context, shelf: Shelf, record: VolumeRecord): Promise<void> => {
  const { pool, ledger } = shelf;
  await markDeleting(ledger, record);
  context.step('record marked');
  await putAway(shelf, record);
  context.step('directory put away');
  await ledger.remove(record.name);
  context.purger.wake(pool.name);
};

const putAway = async ({ pool: { root } }: Shelf, record: VolumeRecord): Promise<void> => {
  const { settings, directory, limit } = record;
  if (settings.onDelete === 'delete') return root.trash(record);
  if (limit !== undefined) await root.lift({ ...record, limit });
  if (settings.onDelete === 'archive') await root.archive(directory);
};
