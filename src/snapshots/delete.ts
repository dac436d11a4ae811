import { isCopyFor } from '../domain/copy.ts';
import { dataOf, isReported, type SnapshotRecord } from '../domain/snapshot.ts';
import { retryConflicts } from '../errors/conflicts.ts';
import { DriverError, invalid } from '../errors/errors.ts';
import { findPoolOfSnapshot, type PoolIndex, snapshotIdOf, snapshotLockKey } from '../index/pool-index.ts';
import type { Call, Context } from '../volumes/context.ts';

/** What these operations use of the context. */
export type DeleteContext = Pick<Context, 'indexes' | 'locks' | 'purger' | 'copier' | 'step'>;

/** Deletes a snapshot, a copy that is being made first. An id that no snapshot has is a success. */
export const deleteSnapshot = async (context: DeleteContext, snapshotId: string, call: Call): Promise<void> => {
  const index = findPoolOfSnapshot(context, snapshotId);
  if (index === undefined) return;
  await context.locks.run([snapshotLockKey(index.handle.name)], call.signal, async () => {
    const record = await index.snapshots.read(index.handle.name);
    if (record?.group !== undefined)
      throw invalid('snapshot_id', `no member of a group: this snapshot belongs to ${record.group.name}; delete that`);
    if (record !== undefined) await removeSnapshot(context, index, record);
  });
};

/** The caller has the lock. */
export const removeSnapshot = async (
  context: DeleteContext,
  index: PoolIndex,
  record: SnapshotRecord,
): Promise<void> => {
  const id = snapshotIdOf(index, record.name);
  await context.copier.cancelReaders(id);
  await context.copier.cancel(id);
  await finishDeleteSnapshot(context, index, record);
};

/**
 * Deletes the snapshot that a record describes, and no other one of the same name. Any number of processes may do it at
 * the same time, and each step may be the last one before a crash.
 */
export const finishDeleteSnapshot = (context: DeleteContext, index: PoolIndex, record: SnapshotRecord): Promise<void> =>
  takeAway(context, index, record, () => true);

/** The same for a snapshot that nobody was told of. Leaves it alone once another controller has completed it. */
export const rollBackSnapshot = (context: DeleteContext, index: PoolIndex, record: SnapshotRecord): Promise<void> =>
  takeAway(context, index, record, (current) => !isReported(current));

const takeAway = (
  context: DeleteContext,
  index: PoolIndex,
  { name, uid }: SnapshotRecord,
  isWanted: (record: SnapshotRecord) => boolean,
): Promise<void> =>
  retryConflicts(async () => {
    const { pool, snapshots } = index;
    const record = await snapshots.read(name);
    if (record?.uid !== uid || !isWanted(record)) return;
    const deleting = await markDeleting(index, record);
    context.step('snapshot marked');
    await discardAttempts(index, deleting);
    context.step('snapshot put away');
    await snapshots.remove(deleting);
    context.purger.wake(pool.name);
  });

/** As for volumes: a disk that is full must not keep anybody from making room on it. */
const markDeleting = async ({ snapshots }: PoolIndex, record: SnapshotRecord): Promise<SnapshotRecord> => {
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
const discardAttempts = async ({ pool: { root } }: PoolIndex, record: SnapshotRecord): Promise<void> => {
  const { name, uid } = record;
  const isOwn = (copy: string): boolean => isCopyFor(copy, { kind: 'snapshot', name, uid });
  const data = (await root.listData()).filter((folder) => folder === dataOf(record) || isOwn(folder));
  await root.dropData(data);
  await root.dropCopies((await root.listCopies()).filter(isOwn));
};
