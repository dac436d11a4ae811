import { DriverError } from '../domain/errors.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import { type Call, type Context, findSnapshotShelf, type Shelf, snapshotIdOf, snapshotLockKey } from './context.ts';
import { markDeleting } from './mark.ts';
import { discardCopies } from './origin.ts';

/** Deletes a snapshot, a copy that is being made first. An id that is not ours, or gone already, is a success. */
export const deleteSnapshot = async (context: Context, snapshotId: string, call: Call): Promise<void> => {
  const shelf = findSnapshotShelf(context, snapshotId);
  if (shelf === undefined) return;
  await context.locks.run([snapshotLockKey(shelf.handle.name)], call.signal, async () => {
    const record = await shelf.snapshots.read(shelf.handle.name);
    if (record?.group !== undefined) {
      throw new DriverError('failed-precondition', `the snapshot belongs to group ${record.group.name}: delete that`);
    }
    await removeSnapshot(context, shelf, shelf.handle.name);
  });
};

/** The caller holds the lock. */
export const removeSnapshot = async (context: Context, shelf: Shelf, name: string): Promise<void> => {
  const id = snapshotIdOf(shelf, name);
  if (context.copier.isRead(id)) throw new DriverError('aborted', 'the snapshot is being copied to a volume');
  await context.copier.cancel(id);
  const record = await shelf.snapshots.read(name);
  if (record !== undefined) await finishDeleteSnapshot(context, shelf, record);
};

/** Each step may be the last one before a crash, and may be repeated. */
export const finishDeleteSnapshot = async (context: Context, shelf: Shelf, record: SnapshotRecord): Promise<void> => {
  const { pool, snapshots } = shelf;
  await markDeleting(snapshots, record);
  context.step('snapshot marked');
  await pool.root.discardData(record.name);
  await discardCopies(pool.root, { kind: 'snapshot', name: record.name });
  context.step('snapshot put away');
  await snapshots.remove(record.name);
  context.purger.wake(pool.name);
};
