import { isCopyFor } from '../domain/copy.ts';
import { dataOf, isReported, type SnapshotRecord } from '../domain/snapshot.ts';
import { retryConflicts } from '../errors/conflicts.ts';
import { DriverError, invalid } from '../errors/errors.ts';
import { findSnapshotShelf, type Shelf, snapshotIdOf, snapshotLockKey } from '../index/shelf.ts';
import type { Call, Context } from '../volumes/context.ts';

/** What these operations use of the context. */
export type DeleteContext = Pick<Context, 'shelves' | 'locks' | 'purger' | 'copier' | 'step'>;

/** Deletes a snapshot, a copy that is being made first. An id that no snapshot has is a success. */
export const deleteSnapshot = async (context: DeleteContext, snapshotId: string, call: Call): Promise<void> => {
  const shelf = findSnapshotShelf(context, snapshotId);
  if (shelf === undefined) return;
  await context.locks.run([snapshotLockKey(shelf.handle.name)], call.signal, async () => {
    const record = await shelf.snapshots.read(shelf.handle.name);
    if (record?.group !== undefined)
      throw invalid('snapshot_id', `no member of a group: this snapshot belongs to ${record.group.name}; delete that`);
    if (record !== undefined) await removeSnapshot(context, shelf, record);
  });
};

/** The caller has the lock. */
export const removeSnapshot = async (context: DeleteContext, shelf: Shelf, record: SnapshotRecord): Promise<void> => {
  const id = snapshotIdOf(shelf, record.name);
  await context.copier.cancelReaders(id);
  await context.copier.cancel(id);
  await finishDeleteSnapshot(context, shelf, record);
};

/**
 * Deletes the snapshot that a record describes, and no other one of the same name. Any number of processes may do it at
 * the same time, and each step may be the last one before a crash.
 */
export const finishDeleteSnapshot = (context: DeleteContext, shelf: Shelf, record: SnapshotRecord): Promise<void> =>
  takeAway(context, shelf, record, () => true);

/** The same for a snapshot that nobody was told of. Leaves it alone once another controller has completed it. */
export const rollBackSnapshot = (context: DeleteContext, shelf: Shelf, record: SnapshotRecord): Promise<void> =>
  takeAway(context, shelf, record, (current) => !isReported(current));

const takeAway = (
  context: DeleteContext,
  shelf: Shelf,
  { name, uid }: SnapshotRecord,
  isWanted: (record: SnapshotRecord) => boolean,
): Promise<void> =>
  retryConflicts(async () => {
    const { pool, snapshots } = shelf;
    const record = await snapshots.read(name);
    if (record?.uid !== uid || !isWanted(record)) return;
    const deleting = await markDeleting(shelf, record);
    context.step('snapshot marked');
    await discardAttempts(shelf, deleting);
    context.step('snapshot put away');
    await snapshots.remove(deleting);
    context.purger.wake(pool.name);
  });

/** As for volumes: a disk that is full must not keep anybody from making room on it. */
const markDeleting = async ({ snapshots }: Shelf, record: SnapshotRecord): Promise<SnapshotRecord> => {
  if (record.state === 'deleting') return record;
  const { owner: _, ...rest } = record;
  try {
    return await snapshots.replace(record, { ...rest, state: 'deleting' });
  } catch (thrown) {
    if (DriverError.from(thrown).kind !== 'no-space') throw thrown;
    return record;
  }
};

/** Moves the data of a snapshot to the trash, and every copy that was made for it. */
const discardAttempts = async ({ pool: { root } }: Shelf, record: SnapshotRecord): Promise<void> => {
  const { name, uid } = record;
  const isOwn = (copy: string): boolean => isCopyFor(copy, { kind: 'snapshot', name, uid });
  const data = (await root.listData()).filter((folder) => folder === dataOf(record) || isOwn(folder));
  await root.discardData(data);
  await root.discardCopies((await root.listCopies()).filter(isOwn));
};
