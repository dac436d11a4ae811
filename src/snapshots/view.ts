import { formatGroupHandle } from '../domain/handle.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import { DriverError } from '../errors/errors.ts';
import { type PoolIndex, snapshotIdOf, volumeIdOf } from '../index/pool-index.ts';

/** A snapshot as the caller gets to know it: nobody is told of one that is not complete. */
export interface SnapshotView {
  readonly snapshotId: string;
  readonly volumeId: string;
  readonly sizeBytes: number;
  readonly createdAt: Date;
  readonly groupId: string | undefined;
}

export const viewSnapshot = (index: PoolIndex, record: SnapshotRecord): SnapshotView => ({
  snapshotId: snapshotIdOf(index, record.name),
  volumeId: volumeIdOf(index, record.volume),
  sizeBytes: record.capacityBytes,
  createdAt: new Date(record.createdAt),
  groupId: record.group === undefined ? undefined : formatGroupHandle(record.group.name),
});

/** Throws aborted for a snapshot that was deleted, or taken over by another controller, while it was made. */
export const requireReady = async (index: PoolIndex, name: string): Promise<SnapshotRecord> => {
  const record = await index.snapshots.read(name);
  if (record?.state === 'ready') return record;
  throw new DriverError('aborted', 'the snapshot was deleted, or taken over by another controller, while it was made');
};
